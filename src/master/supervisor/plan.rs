//! What the supervisor is asked to keep true: counts and limits of one generation. It does not know where they were configured.

use std::time::Duration;

use super::{Helper, WorkerLimits};

/// What WINCH asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Winch {
    /// A terminal sends it on each resize.
    Ignored,
    /// `--daemon`: there is no terminal, so it is an operator who sends it. All workers leave; HUP or TTIN brings some back.
    RetiresWorkers,
}

/// Whether the app's files are watched (`--reload`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sources {
    Fixed,
    /// A first boot that fails waits for `Event::Changed`, and replaced workers have little time to finish.
    Watched,
}

/// Which process workers are forked from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ForkedFrom {
    Master,
    /// One of their generation, which has code loaded that they share.
    Mold,
}

/// How a hung worker ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Abort {
    /// SIGKILL.
    Never,
    /// SIGABRT first, for its `worker_abort` hook.
    First,
}

/// The part of the settings that decisions depend on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// Wanted number of workers; 0 is taken for 1.
    pub workers: u32,
    /// No number that is asked for goes beyond this.
    pub most_workers: u32,
    /// How many workers of a new generation may boot at the same time (the number of CPUs); 0 is taken for 1.
    pub parallel_boots: u32,
    /// `--reload-surge`: a rollout replaces this many slots at a time. `None`: all at once, the stronger guarantee.
    pub surge: Option<u32>,
    /// From the spawn to `Ready`.
    pub boot_timeout: Duration,
    /// From `Drain` to the moment at which a worker must have come to an end by itself.
    pub graceful_timeout: Duration,
    /// A worker without a sign of life for that long is hung. `None`: never.
    pub timeout: Option<Duration>,
    /// From the first TERM to the drain; readiness fails meanwhile, accepting goes on.
    pub shutdown_delay: Duration,
    /// How long the generation before is kept after another one has taken over; zero: not at all.
    pub rollback_window: Duration,
    pub winch: Winch,
    pub sources: Sources,
    pub abort: Abort,
    pub forked_from: ForkedFrom,
    pub limits: WorkerLimits,
    /// Those that run from the start to the end.
    pub helpers: Vec<Helper>,
    /// How many commands run before the first boot.
    pub preparations: u32,
    /// For each of them. `None`: however long it takes.
    pub preparation_timeout: Option<Duration>,
}

/// Nobody who develops waits for what the old code is at.
const GRACE_IN_DEVELOPMENT: Duration = Duration::from_secs(1);

impl Plan {
    /// For a worker that another one replaces.
    pub(super) fn replaced_grace(&self) -> Duration {
        match self.sources {
            Sources::Fixed => self.graceful_timeout,
            Sources::Watched => self.graceful_timeout.min(GRACE_IN_DEVELOPMENT),
        }
    }

    pub(super) fn wanted(&self) -> u32 {
        self.workers.clamp(1, self.most_workers.max(1))
    }

    pub(super) fn boots_at_once(&self) -> usize {
        self.parallel_boots.max(1) as usize
    }
}
