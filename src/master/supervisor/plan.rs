//! The plan of one generation: counts and limits that the supervisor maintains.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Helper, WorkerLimits};

/// Effect of WINCH.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Winch {
    /// A terminal sends it on each resize.
    Ignored,
    /// `--daemon`: there is no terminal, so an operator has sent it. All workers exit; HUP or TTIN starts workers
    /// again.
    RetiresWorkers,
}

/// Whether the app's files are watched (`--reload`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum SourceWatching {
    Fixed,
    /// A first boot that fails waits for `Event::Changed`, and replaced workers have little time to finish.
    Watched,
}

/// The process that workers are forked from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum ForkedFrom {
    Master,
    /// The mold of their generation, whose loaded code they share.
    Mold,
}

/// How a hung worker is ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Abort {
    /// SIGKILL.
    Never,
    /// SIGABRT first, for its `worker_abort` hook.
    First,
}

/// Between which numbers of workers the load decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bounds {
    pub least: u32,
    pub most: u32,
}

impl Bounds {
    pub(super) fn clamp(self, workers: u32) -> u32 {
        workers.clamp(self.least, self.most.max(self.least))
    }

    /// Both ends by as much, as far as there can be so many workers.
    pub(super) fn moved(self, step: i32, ceiling: u32) -> Self {
        let most = self
            .most
            .saturating_add_signed(step)
            .clamp(1, ceiling.max(1));
        Self {
            least: self.least.saturating_add_signed(step).clamp(1, most),
            most,
        }
    }
}

/// What stays of a replaced generation until `Plan::rollback_window` is over.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum KeptProcesses {
    /// Paused: a rollback boots nothing.
    #[default]
    Workers,
    /// A rollback forks workers from it, with the code that it has loaded.
    Mold,
}

/// How the number of workers follows the load.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScaleRules {
    /// `Plan::workers` is the least.
    pub most: u32,
    /// Connections are to be accepted within that time.
    pub wait: Duration,
    /// A worker less after so long with little to do.
    pub idle: Duration,
}

/// What a generation's settings say of a companion.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CompanionPlan {
    /// Unique among them.
    pub name: String,
    /// From SIGTERM to SIGKILL.
    pub grace: Duration,
}

/// The part of the settings that decisions depend on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// Wanted number of workers; 0 counts as 1.
    pub workers: u32,
    /// `None`: it stays as it is.
    pub scaling: Option<ScaleRules>,
    /// No requested number may exceed this.
    pub most_workers: u32,
    /// How many workers of a new generation may boot at the same time (the number of CPUs); 0 counts as 1.
    pub parallel_boots: u32,
    /// `--reload-surge`: a rollout replaces this many slots at a time. `None`: all at once, the stronger guarantee.
    pub surge: Option<u32>,
    /// From the spawn to `Ready`.
    pub boot_timeout: Duration,
    /// From `Drain` to the time by which a worker must have exited.
    pub graceful_timeout: Duration,
    /// A worker without a heartbeat for this long is hung. `None`: never.
    pub timeout: Option<Duration>,
    /// From the first TERM to the drain; readiness fails in that time, accepting continues.
    pub shutdown_delay: Duration,
    /// How long the previous generation is kept after another one has taken over; zero: not at all.
    pub rollback_window: Duration,
    /// `KeptProcesses::Mold` only where the mold has imported the app.
    #[serde(default)]
    pub rollback_keep: KeptProcesses,
    pub winch: Winch,
    pub sources: SourceWatching,
    pub abort: Abort,
    pub forked_from: ForkedFrom,
    pub limits: WorkerLimits,
    /// A worker that has answered so many requests becomes the mold. `None`: none does.
    #[serde(default)]
    pub refork_after: Option<u64>,
    /// Those that run from the start to the end.
    pub helpers: Vec<Helper>,
    /// Those that run beside the workers.
    pub companions: Vec<CompanionPlan>,
    /// Number of commands that run before the first boot.
    pub preparations: u32,
    /// For each of them. `None`: no limit.
    pub preparation_timeout: Option<Duration>,
}

/// In development, requests to the old code need no long grace period.
const GRACE_IN_DEVELOPMENT: Duration = Duration::from_secs(1);

impl Plan {
    /// For a worker that is replaced by another one.
    pub(super) fn replaced_grace(&self) -> Duration {
        match self.sources {
            SourceWatching::Fixed => self.graceful_timeout,
            SourceWatching::Watched => self.graceful_timeout.min(GRACE_IN_DEVELOPMENT),
        }
    }

    pub(super) fn wanted(&self) -> u32 {
        self.workers.clamp(1, self.most_workers.max(1))
    }

    /// What is kept of a generation with the plan `before` when one with this plan replaces it; `None`: nothing. A mold
    /// without the app would load the code that is on the disk by then.
    pub(super) fn keeps_of(&self, before: &Plan) -> Option<KeptProcesses> {
        if self.rollback_window.is_zero() {
            return None;
        }
        match (self.rollback_keep, before.rollback_keep) {
            (KeptProcesses::Mold, KeptProcesses::Mold) => Some(KeptProcesses::Mold),
            (KeptProcesses::Mold, KeptProcesses::Workers) | (KeptProcesses::Workers, _) => {
                Some(KeptProcesses::Workers)
            }
        }
    }

    /// `None`: the number of workers is fixed.
    pub(super) fn bounds(&self) -> Option<Bounds> {
        let least = self.wanted();
        let most = self.scaling?.most.min(self.most_workers.max(1));
        (least < most).then_some(Bounds { least, most })
    }

    /// Whether it has these numbers; `most` is that of a range.
    pub(super) fn counts(&self, workers: u32, most: u32) -> bool {
        self.workers == workers && self.scaling.is_none_or(|rules| rules.most == most)
    }

    pub(super) fn boots_at_once(&self) -> usize {
        self.parallel_boots.max(1) as usize
    }
}
