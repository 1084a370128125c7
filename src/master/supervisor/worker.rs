//! One worker as the supervisor sees it: where it is in its life, and until when it may stay there. It decides nothing.
//!
//! ```text
//! Booting ─► Standby ─► Serving ─► Draining ─► Stopping ─► Killed ─► (gone)
//!    │          │          ▼▲          ▲
//!    │          │        Paused ───────┘
//!    │          └──────────┬─► Hung ─► (Aborting) ─────────►─┘
//!    ├─► Failed, Terminated ──────────────────────────────►─┘
//! ```
//! The first three, and those that are paused, can fill a slot. The others are leaving: their end was decided and accounted for, nothing but their
//! exit is awaited, and the slot is free for a successor.

use std::time::Duration;

use super::limits::OwnLimits;
use super::{Excess, Moment, Who};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Life {
    /// Spawned, not `Ready` yet.
    Booting {
        until: Moment,
    },
    /// Ready, not told to go: the generation it belongs to is not complete.
    Standby,
    /// Told to go.
    Serving,
    /// Was serving, and was told to pause: it may serve again.
    Paused,
    /// Was ready, gave no sign of life; its stacks are being printed.
    Hung {
        kill_at: Moment,
    },
    /// Hung, and its `worker_abort` hook runs.
    Aborting {
        kill_at: Moment,
    },
    /// Said why its boot failed; it exits by itself.
    Failed {
        kill_at: Moment,
    },
    /// SIGTERM while it booted.
    Terminated {
        kill_at: Moment,
    },
    /// Told to drain, by us or by somebody else.
    Draining {
        fast_at: Moment,
    },
    /// Told to stop fast.
    Stopping {
        kill_at: Moment,
    },
    Killed,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Threads {
    AllWell,
    /// One of several; it was said.
    OneHangs,
}

#[derive(Debug)]
pub(super) struct Worker {
    pub(super) who: Who,
    pub(super) life: Life,
    pub(super) spawned: Moment,
    /// When it became ready.
    pub(super) ready: Option<Moment>,
    /// The last sign of life we know of (at the earliest: when it became ready).
    pub(super) beat: Moment,
    /// The same of its slowest thread.
    pub(super) slowest: Moment,
    pub(super) threads: Threads,
    pub(super) limits: OwnLimits,
    /// The limit that it has reached.
    pub(super) excess: Option<Excess>,
    /// There is a process: the master forks at once, a mold when it comes to it.
    pub(super) forked: bool,
    /// It may accept: told to go, and has not said that it stopped.
    pub(super) accepting: bool,
    /// When its end was decided.
    pub(super) leaving_since: Moment,
}

impl Worker {
    pub(super) fn booting(who: Who, now: Moment, until: Moment, limits: OwnLimits) -> Self {
        Self {
            who,
            life: Life::Booting { until },
            spawned: now,
            ready: None,
            beat: now,
            slowest: now,
            threads: Threads::AllWell,
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
            Life::Booting { .. } | Life::Standby | Life::Serving | Life::Paused => true,
            Life::Hung { .. }
            | Life::Aborting { .. }
            | Life::Failed { .. }
            | Life::Terminated { .. }
            | Life::Draining { .. }
            | Life::Stopping { .. }
            | Life::Killed => false,
        }
    }

    /// Booted and not leaving: its heartbeat counts.
    pub(super) fn is_ready(&self) -> bool {
        matches!(self.life, Life::Standby | Life::Serving)
    }

    /// As `is_ready`; and where a thread hangs the heartbeat tells, while it drains, that nothing else is left.
    pub(super) fn is_heard(&self) -> bool {
        let drains = matches!(self.life, Life::Draining { .. });
        self.is_ready() || self.life == Life::Paused || drains && self.threads == Threads::OneHangs
    }

    pub(super) fn is_booting(&self) -> bool {
        matches!(self.life, Life::Booting { .. })
    }

    pub(super) fn uptime(&self, now: Moment) -> Duration {
        self.ready.map_or(Duration::ZERO, |ready| now.since(ready))
    }

    /// Until when it may stay as it is.
    pub(super) fn deadline(&self) -> Option<Moment> {
        match self.life {
            Life::Booting { until } => Some(until),
            Life::Hung { kill_at }
            | Life::Aborting { kill_at }
            | Life::Failed { kill_at }
            | Life::Terminated { kill_at }
            | Life::Stopping { kill_at } => Some(kill_at),
            Life::Draining { fast_at } => Some(fast_at),
            Life::Standby | Life::Serving | Life::Paused | Life::Killed => None,
        }
    }
}
