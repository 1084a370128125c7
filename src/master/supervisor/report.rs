//! Facts worth a log line, typed. The shell owns the words, the pids and the texts that belong to them.

use std::time::Duration;

use super::{
    BootPhase, Evidence, Excess, Exit, Generation, Helper, Incarnation, Memory, Retirement, Slot,
    StopMode, Token,
};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Report {
    /// A command that runs before the first boot failed: the server ends with its code.
    PreparationFailed {
        step: u32,
        code: u8,
    },
    /// It took too long, and is told to end.
    PreparationTimedOut {
        step: u32,
    },
    /// A mold became ready, that long after its start.
    MoldReady {
        generation: Generation,
        after: Duration,
    },
    /// A mold did not become ready. `retry` says what follows.
    MoldFailed {
        generation: Generation,
        why: BootFailure,
        retry: Retry,
    },
    /// A mold that was ready ended unasked, or did not fork (`TimedOut`). Its workers go on; a dead one waits for the next mold.
    MoldDied {
        generation: Generation,
        why: BootFailure,
        retry: Retry,
    },
    /// The server never came up, because of its mold; it ends with this code.
    FirstMoldFailed {
        why: BootFailure,
        code: u8,
    },
    /// A worker became ready, that long after its spawn.
    WorkerReady {
        worker: Who,
        after: Duration,
    },
    /// A worker did not become ready. `retry` says what follows.
    BootFailed {
        worker: Who,
        why: BootFailure,
        retry: Retry,
    },
    /// A ready worker ended though nobody asked it to.
    WorkerDied {
        worker: Who,
        exit: Exit,
        uptime: Duration,
        retry: Retry,
    },
    /// A worker that was told to end is gone, that long after it was told.
    WorkerLeft {
        worker: Who,
        exit: Exit,
        after: Duration,
    },
    /// No sign of life for `age`: its stacks are asked for, and what follows depends on how much of it hangs.
    WorkerHung {
        worker: Who,
        age: Duration,
        extent: Extent,
    },
    /// Somebody else has told a serving worker to end: it drains, and its slot gets another one.
    WorkerLeaves {
        worker: Who,
    },
    /// Every worker has been ready once: the server is up.
    Up {
        workers: u32,
    },
    /// The server never came up; it ends with this code.
    FirstBootFailed {
        worker: Who,
        why: BootFailure,
        code: u8,
    },
    /// Not one worker is ready and all of them fail; retries go on for ever, paced.
    AllFailing,
    /// A reload was asked for and waits: for the first boot, the running reload, or workers that still drain.
    ReloadQueued,
    ReloadBegan {
        generation: Generation,
    },
    /// The memory is not enough for all new workers beside the old ones: they are replaced so many at a time.
    ReloadLimited {
        generation: Generation,
        at_once: u32,
        memory: Memory,
    },
    Reloaded {
        generation: Generation,
        workers: u32,
    },
    /// Somebody asked for that generation to be staged: its configuration is read now.
    StageBegan {
        generation: Generation,
        token: Token,
    },
    /// Every worker of that generation is ready beside those that serve.
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
    /// It was judged by what it has answered, and is promoted, or taken back.
    CanaryVerdict {
        generation: Generation,
        evidence: Evidence,
    },
    /// The generation that serves, or serves in part, is being replaced by the one before.
    TakingBack {
        generation: Generation,
        why: ReloadFailure,
    },
    TakenBack {
        generation: Generation,
        to: Generation,
        why: ReloadFailure,
    },
    /// The workers of that generation are paused, and can be brought back for so long.
    KeptForRollback {
        generation: Generation,
        window: Duration,
    },
    /// They end.
    KeptNoMore {
        generation: Generation,
    },
    /// An operator does not want the staged generation: its workers end.
    Discarded {
        generation: Generation,
    },
    /// SIGHUP while a generation is staged.
    ReloadRefused {
        generation: Option<Generation>,
    },
    /// `replaced` slots of `of` already run the new generation (always 0 without a surge); the others keep the old one.
    ReloadFailed {
        generation: Generation,
        why: ReloadFailure,
        replaced: u32,
        of: u32,
    },
    Scaled {
        from: u32,
        to: u32,
    },
    /// TTIN, and there are as many as there can be.
    TooManyWorkers {
        most: u32,
    },
    /// A replacement for a worker that serves well is being booted.
    Retiring {
        worker: Who,
        why: Retirement,
        /// Where it is a limit that was reached.
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
    /// A helper that has ended is started again, and not at once.
    HelperPaced {
        helper: Helper,
        retry: Retry,
    },
    /// The last hook, or a helper, did not come to its end.
    HelpersLate {
        after: Duration,
    },
    /// The drain begins after this delay.
    ShutdownDelayed {
        by: Duration,
    },
    /// The master itself did not run for that long (suspended, stopped, starved): its deadlines were moved by as much.
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

/// Names a worker in a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Who {
    pub incarnation: Incarnation,
    pub slot: Slot,
    pub generation: Generation,
}

/// What follows a worker's end.
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
    /// Its slot needs nobody in its stead (rolled back, scaled down, still served by the worker it was to replace, or the server ends).
    None,
}

/// Why a worker, or a mold, did not become ready.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BootFailure {
    /// The worker said so itself; the text came with it.
    Said(BootPhase),
    Exited(Exit),
    TimedOut,
    NotSpawned,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
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
    /// A worker of the new generation ended after it had become ready.
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
        memory: Memory,
    },
    /// The files have changed again meanwhile: the next reload brings them.
    Overtaken,
    /// An operator has asked for it.
    Discarded,
    /// What it has answered is worse than what the generation beside it has.
    Worse(Evidence),
    /// It has not answered enough requests to be judged.
    TooFewRequests {
        requests: u64,
        wanted: u64,
    },
    /// A canary that nobody has promoted in its time.
    TimeOver,
    /// The server stops, or WINCH sends every worker away.
    Abandoned,
}
