//! Facts worth a log line, typed. The texts, the pids and the details are added by the shell.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{
    AvailableMemory, BootFailure, Bounds, CompanionEnd, CompanionId, Evidence, Excess, Exit,
    Generation, Helper, Incarnation, KeptProcesses, Retirement, ScaleDecision, Slot, StopMode,
    Token,
};

/// What a new generation was started for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RolloutKind {
    Reload,
    Stage,
    Canary,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Report {
    /// A command that runs before the first boot failed: the server exits with its code.
    PreparationFailed {
        step: u32,
        code: u8,
    },
    /// It timed out, and was ordered to exit.
    PreparationTimedOut {
        step: u32,
    },
    /// A mold became ready, that long after its start.
    MoldReady {
        generation: Generation,
        after: Duration,
    },
    /// A mold did not become ready. `retry`: what follows.
    MoldFailed {
        generation: Generation,
        why: BootFailure,
        retry: Retry,
    },
    /// A ready mold exited unasked, or did not fork (`TimedOut`). Its workers live on; a dead one is respawned by the
    /// next mold.
    MoldDied {
        generation: Generation,
        why: BootFailure,
        retry: Retry,
    },
    /// A worker has become the mold of its generation.
    MoldAdopted {
        worker: Who,
    },
    /// The first worker of that mold is ready; the older workers are replaced, one after the other.
    Reforked {
        generation: Generation,
    },
    /// The generation goes on with the mold that has imported the app.
    NotReforked {
        generation: Generation,
        why: ReforkFailure,
    },
    /// The server never came up, because of its mold; it exits with this code.
    FirstMoldFailed {
        why: BootFailure,
        code: u8,
    },
    /// A worker became ready, that long after its spawn.
    WorkerReady {
        worker: Who,
        after: Duration,
    },
    /// A worker did not become ready. `retry`: what follows.
    BootFailed {
        worker: Who,
        why: BootFailure,
        retry: Retry,
    },
    /// A ready worker exited unasked.
    WorkerDied {
        worker: Who,
        exit: Exit,
        uptime: Duration,
        retry: Retry,
    },
    /// A worker that was ordered to end has exited, that long after the order.
    WorkerLeft {
        worker: Who,
        exit: Exit,
        after: Duration,
    },
    /// No heartbeat for `age`: its stacks are requested, and what follows depends on how much of it hangs.
    WorkerHung {
        worker: Who,
        age: Duration,
        extent: Extent,
    },
    /// Another process has sent SIGTERM to a serving worker: it drains, and its slot gets another one.
    WorkerLeaves {
        worker: Who,
    },
    /// Every worker has been ready once: the server is up.
    Up {
        workers: u32,
    },
    /// The server never came up; it exits with this code.
    FirstBootFailed {
        worker: Who,
        why: BootFailure,
        code: u8,
    },
    /// No worker is ready and all of them fail; retries continue for ever, paced.
    AllFailing,
    /// A requested reload waits: for the first boot, the running reload, or workers that still drain.
    ReloadQueued,
    ReloadBegan {
        generation: Generation,
    },
    /// The memory is not sufficient for all new workers beside the old ones: they are replaced so many at a time.
    ReloadLimited {
        generation: Generation,
        at_once: u32,
        memory: AvailableMemory,
    },
    Reloaded {
        generation: Generation,
        workers: u32,
    },
    /// A stage was requested for that generation: its configuration is read now.
    StageBegan {
        generation: Generation,
        token: Token,
    },
    /// Every worker of that generation is ready beside the serving ones.
    Staged {
        generation: Generation,
        workers: u32,
    },
    PromotionBegan {
        generation: Generation,
    },
    /// So many slots of that generation serve now.
    CanaryServes {
        generation: Generation,
        slots: u32,
        of: u32,
    },
    /// It was judged by its requests, and is promoted, or taken back.
    CanaryVerdict {
        generation: Generation,
        evidence: Evidence,
    },
    /// The generation that serves, or serves in part, is being replaced by the previous one.
    TakingBack {
        generation: Generation,
        why: ReloadFailure,
    },
    TakenBack {
        generation: Generation,
        to: Generation,
        why: ReloadFailure,
    },
    /// Generation `to` did not boot, or the server stops: the other one was not replaced.
    NotTakenBack {
        generation: Generation,
        to: Generation,
        why: ReloadFailure,
    },
    /// That generation can be brought back for so long.
    KeptForRollback {
        generation: Generation,
        kept: KeptProcesses,
        window: Duration,
    },
    /// The window is over, or what was kept has ended.
    KeptNoMore {
        generation: Generation,
    },
    /// An operator has discarded the staged generation: its workers end.
    Discarded {
        generation: Generation,
    },
    /// SIGHUP while a generation is staged.
    ReloadRefused {
        generation: Option<Generation>,
    },
    /// `replaced` slots of `of` already run the new generation (always 0 without a surge); the others keep the old
    /// one.
    ReloadFailed {
        generation: Generation,
        kind: RolloutKind,
        why: ReloadFailure,
        replaced: u32,
        of: u32,
    },
    Scaled {
        from: u32,
        to: u32,
    },
    ScaledByLoad(ScaleDecision),
    /// Another number of CPUs; `bounds`: of a range.
    ScaledByCpus {
        cpus: u32,
        from: u32,
        to: u32,
        bounds: Option<Bounds>,
    },
    /// The load asks for more workers, and the memory is not enough for one.
    NoRoomToScale {
        workers: u32,
        memory: AvailableMemory,
    },
    /// TTIN, with the maximum number of workers.
    TooManyWorkers {
        most: u32,
    },
    /// A replacement for a serving worker is being booted.
    Retiring {
        worker: Who,
        why: Retirement,
        /// Set if a limit was reached.
        excess: Option<Excess>,
    },
    /// A retired worker's replacement took over.
    Replaced {
        old: Who,
        new: Who,
    },
    /// The stop began, or became fast.
    Stopping {
        mode: StopMode,
    },
    /// No heartbeat for `age`: it is killed, and started again.
    HelperHung {
        helper: Helper,
        age: Duration,
    },
    /// A helper that has exited is restarted after a delay.
    HelperPaced {
        helper: Helper,
        retry: Retry,
    },
    Companion {
        companion: CompanionId,
        what: CompanionReport,
    },
    /// The last hook, or a helper, did not end in time.
    HelpersLate {
        after: Duration,
    },
    /// The drain begins after this delay.
    ShutdownDelayed {
        by: Duration,
    },
    /// The master itself did not run for that long (suspended, stopped, starved): its deadlines were moved by as
    /// much.
    Suspended {
        late: Duration,
    },
    /// WINCH.
    SignalIgnored,
}

/// How much of a worker hangs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extent {
    /// It is killed, and replaced at once.
    Whole,
    /// One of several threads: a replacement comes first, then the other threads may finish, then it is killed.
    Thread,
}

/// Identifies a worker in a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Who {
    pub incarnation: Incarnation,
    pub slot: Slot,
    pub generation: Generation,
}

/// What follows a worker's exit.
impl Report {
    /// The start has failed, and the server ends.
    pub fn ends_first_boot(&self) -> bool {
        matches!(
            self,
            Self::FirstBootFailed { .. }
                | Self::FirstMoldFailed { .. }
                | Self::PreparationFailed { .. }
        )
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retry {
    AtOnce,
    /// The `failures`-th failure of this slot in a row.
    Paced {
        failures: u32,
        delay: Duration,
    },
    /// The files of the app have to change first.
    AtNextChange,
    /// Its slot needs no other worker (rolled back, scaled down, still served by the worker it was to replace, or the
    /// server stops).
    None,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum ReloadFailure {
    /// Nothing was changed.
    BadConfig,
    Boot {
        worker: Who,
        why: BootFailure,
    },
    /// The new generation's mold did not become ready.
    Mold {
        generation: Generation,
        why: BootFailure,
    },
    /// A worker of the new generation exited after it had become ready.
    Died {
        worker: Who,
        exit: Exit,
    },
    /// A worker of the new generation hung after it had become ready.
    Hung {
        worker: Who,
    },
    /// Not even one new worker fits beside the old ones.
    NoMemory {
        memory: AvailableMemory,
    },
    /// The files have changed again in the meantime: the next reload applies them.
    Overtaken,
    /// Requested by an operator.
    Discarded,
    /// Its requests are worse than those of the generation beside it.
    Worse(Evidence),
    /// It has not completed enough requests to be judged.
    TooFewRequests {
        requests: u64,
        wanted: u64,
    },
    /// A canary that was not promoted in time.
    TimeOver,
    /// The server stops, or WINCH removes every worker.
    Abandoned,
}

/// What has happened to a companion.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CompanionReport {
    /// It exited by itself, or could not be started.
    Died {
        end: CompanionEnd,
        uptime: Duration,
        retry: Retry,
    },
    /// It exited, that long after SIGTERM.
    Left { end: CompanionEnd, after: Duration },
    /// It did not end within its grace, and is killed.
    Overdue { after: Duration },
}

/// Why a generation goes on with the mold that has imported the app.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum ReforkFailure {
    /// The worker exited instead; with code 0 it has logged why.
    Exited(Exit),
    /// A worker that was forked from it did not become ready.
    Boot { worker: Who, why: BootFailure },
    /// The new mold ended, or did not fork.
    Mold(BootFailure),
}
