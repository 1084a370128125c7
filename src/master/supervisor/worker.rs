//! The supervisor's record of one worker: its state, and the deadline of that state.
//!
//! ```text
//! Booting ─► Standby ─► Serving ─► Draining ─► Stopping ─► Killed ─► (gone)
//!    │          │          ▼▲          ▲
//!    │          │        Paused ───────┘
//!    │          └──────────┬─► Hung ─► (Aborting) ─────────►─┘
//!    ├─► Failed, Terminated ──────────────────────────────►─┘
//! ```
//! The first three, and `Paused`, can fill a slot. In the other states it is leaving: its end was decided and
//! accounted for, only its exit is awaited, and the slot is free for a successor.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::limits::OwnLimits;
use super::{Excess, Moment, Who};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum WorkerLife {
    /// Spawned, not `Ready` yet.
    Booting {
        until: Moment,
        #[serde(default)]
        time: BootTime,
    },
    /// Ready, without a `Go`: the generation it belongs to is incomplete.
    Standby,
    /// It got a `Go`.
    Serving,
    /// Was serving, and was paused: it may serve again.
    Paused,
    /// Was ready, without a heartbeat since; its stacks are being printed.
    Hung {
        kill_at: Moment,
    },
    /// Hung, and its `worker_abort` hook runs.
    Aborting {
        kill_at: Moment,
    },
    /// Reported why its boot failed; it exits by itself.
    Failed {
        kill_at: Moment,
    },
    /// SIGTERM was sent while it booted.
    Terminated {
        kill_at: Moment,
    },
    /// Ordered to drain, by us or by another process's SIGTERM.
    Draining {
        fast_at: Moment,
    },
    /// Ordered to stop fast.
    Stopping {
        kill_at: Moment,
    },
    Killed,
}

/// Whether a worker that boots still has some of `--boot-timeout`.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum BootTime {
    #[default]
    Left,
    /// Its stacks are being printed.
    Over,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum ThreadHealth {
    AllWell,
    /// One of several hangs; this was reported.
    OneHangs,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Worker {
    pub(super) who: Who,
    pub(super) life: WorkerLife,
    pub(super) spawned: Moment,
    /// When it became ready.
    pub(super) ready: Option<Moment>,
    /// The last known heartbeat (at the earliest: when it became ready).
    pub(super) beat: Moment,
    /// The same for its slowest thread.
    pub(super) slowest: Moment,
    pub(super) threads: ThreadHealth,
    pub(super) limits: OwnLimits,
    /// The limit that it has reached.
    pub(super) excess: Option<Excess>,
    /// There is a process: the master forks at once, a mold when its turn comes.
    pub(super) forked: bool,
    /// It may accept: it got a `Go`, and has not reported that it stopped.
    pub(super) accepting: bool,
    /// When its end was decided.
    pub(super) leaving_since: Moment,
}

impl Worker {
    pub(super) fn booting(who: Who, now: Moment, until: Moment, limits: OwnLimits) -> Self {
        Self {
            who,
            life: WorkerLife::Booting {
                until,
                time: BootTime::Left,
            },
            spawned: now,
            ready: None,
            beat: now,
            slowest: now,
            threads: ThreadHealth::AllWell,
            limits,
            excess: None,
            forked: true,
            accepting: false,
            leaving_since: now,
        }
    }

    /// It fills its slot, or is about to.
    pub(super) fn stays(&self) -> bool {
        match self.life {
            WorkerLife::Booting { .. }
            | WorkerLife::Standby
            | WorkerLife::Serving
            | WorkerLife::Paused => true,
            WorkerLife::Hung { .. }
            | WorkerLife::Aborting { .. }
            | WorkerLife::Failed { .. }
            | WorkerLife::Terminated { .. }
            | WorkerLife::Draining { .. }
            | WorkerLife::Stopping { .. }
            | WorkerLife::Killed => false,
        }
    }

    /// Booted and not leaving: its heartbeat counts.
    pub(super) fn is_ready(&self) -> bool {
        matches!(self.life, WorkerLife::Standby | WorkerLife::Serving)
    }

    /// As `is_ready`; if a thread hangs, also while it drains, since its heartbeat then shows when only that thread
    /// is left.
    pub(super) fn is_heard(&self) -> bool {
        let drains = matches!(self.life, WorkerLife::Draining { .. });
        self.is_ready()
            || self.life == WorkerLife::Paused
            || drains && self.threads == ThreadHealth::OneHangs
    }

    pub(super) fn is_booting(&self) -> bool {
        matches!(self.life, WorkerLife::Booting { .. })
    }

    pub(super) fn uptime(&self, now: Moment) -> Duration {
        self.ready.map_or(Duration::ZERO, |ready| now.since(ready))
    }

    /// The deadline of its state.
    pub(super) fn deadline(&self) -> Option<Moment> {
        match self.life {
            WorkerLife::Booting { until, .. } => Some(until),
            WorkerLife::Hung { kill_at }
            | WorkerLife::Aborting { kill_at }
            | WorkerLife::Failed { kill_at }
            | WorkerLife::Terminated { kill_at }
            | WorkerLife::Stopping { kill_at } => Some(kill_at),
            WorkerLife::Draining { fast_at } => Some(fast_at),
            WorkerLife::Standby | WorkerLife::Serving | WorkerLife::Paused | WorkerLife::Killed => {
                None
            }
        }
    }
}
