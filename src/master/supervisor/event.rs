//! What can happen to the supervisor: a closed list. Texts (tracebacks, error messages) stay with the shell.

use std::time::Duration;

use super::{
    BootFailure, Figures, Generation, Helper, HelperEnd, Incarnation, MoldMessage, Plan, Slot,
    Token,
};

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// The master got a signal that an operator (or init) sends. SIGCHLD is not one: its outcome is `Exited`.
    Signal(Signal),
    /// A worker said something. The shell reads a dead worker's channel to its end before it tells of `Exited`.
    Worker {
        incarnation: Incarnation,
        message: WorkerMessage,
    },
    /// The worker was reaped. Its last event.
    Exited {
        incarnation: Incarnation,
        exit: Exit,
    },
    /// A mold has forked the worker of `Action::Spawn`. Without a mold that is done at once.
    Forked { incarnation: Incarnation },
    /// A mold said something.
    Mold {
        generation: Generation,
        message: MoldMessage,
    },
    /// A mold was reaped, or could not be started. The workers that it was still to fork fail after it (`SpawnFailed`).
    MoldEnded {
        generation: Generation,
        why: BootFailure,
    },
    /// `Action::Spawn` could not be done (fork failed). The incarnation's last event.
    SpawnFailed { incarnation: Incarnation },
    /// Answer to `Action::SampleHeartbeats`: all ready workers in one event, so that a look at them costs what they are, not
    /// their square.
    Heartbeats(Vec<Beat>),
    /// Answer to `Action::DumpStacks` (optional: the kill comes a second later in any case).
    StacksDumped { incarnation: Incarnation },
    /// Answer to `Action::ReadConfig`.
    ConfigRead {
        generation: Generation,
        result: ConfigResult,
    },
    /// `Action::Abort` could not be done: the process has no handler for that signal.
    AbortInVain { incarnation: Incarnation },
    /// A helper has ended, or could not be started.
    HelperEnded { helper: Helper, end: HelperEnd },
    /// Answer to `Action::EndHelpers`: the last hook has come to its end, and no helper is left.
    HelpersEnded,
    /// Answer to `Action::CompareGenerations`.
    Compared {
        canary: Generation,
        old: Box<Figures>,
        new: Box<Figures>,
    },
    /// Answer to `Action::MeasureMemory`; `None`: there is no limit, or nothing that could tell.
    Memory(Option<Memory>),
    /// The command of `Action::Prepare` has ended: its exit code, or the one that a shell would give for its end.
    Prepared { step: u32, code: u8 },
    /// Files of the app have changed (`Sources::Watched`).
    Changed,
    /// Somebody asked through the control socket; exactly one `Action::Reply` with this token will follow.
    Control { token: Token, command: Command },
    /// `next_timeout()` has come. (Every event enforces what is due; this one does nothing else.)
    Timeout,
}

/// The memory that there is for workers, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Memory {
    /// Of the control group.
    pub limit: u64,
    /// Below the limit, and not in use.
    pub free: u64,
    /// What one more worker takes.
    pub worker: u64,
}

impl Memory {
    /// How many more workers fit.
    pub(super) fn room(self) -> u32 {
        u32::try_from(self.free / self.worker.max(1)).unwrap_or(u32::MAX)
    }
}

/// A worker's sign of life, as it was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Beat {
    pub incarnation: Incarnation,
    /// Its last sign of life is that old.
    pub age: Duration,
    /// One of its threads has made no progress for that long.
    pub slowest: Option<Duration>,
    /// That it has begun, since it lives.
    pub requests: u64,
    /// Resident bytes, where there is a limit for them.
    pub memory: Option<u64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    /// Reload.
    Hup,
    /// Stop gracefully; a second one: fast.
    Term,
    /// Stop fast.
    Int,
    /// Stop fast (gunicorn's meaning).
    Quit,
    /// One worker more.
    Ttin,
    /// One worker less.
    Ttou,
    /// Reopen the log files.
    Usr1,
    /// `Plan::winch`.
    Winch,
}

/// `ipc::FromWorker` without its texts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WorkerMessage {
    Booted,
    Ready,
    /// The answer to `Order::Drain`; unasked: somebody else has told it to end.
    StoppedAccepting,
    Failed {
        phase: BootPhase,
    },
}

/// `ipc::Phase`: where a boot failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BootPhase {
    Boot,
    Import,
    Load,
    Lifespan,
    ReadyPath,
    Settings,
}

/// How a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    Code(u8),
    Signal {
        signal: i32,
        core: CoreDump,
    },
    /// The kernel killed it for want of memory.
    OutOfMemory,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CoreDump {
    Written,
    No,
}

/// What reading the configuration again brought.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ConfigResult {
    Good(Box<Plan>),
    /// It is wrong, or the reader died or was late; the shell knows the text.
    Bad,
}

/// Why a worker that serves well is to be replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retirement {
    /// `--max-requests`
    Requests,
    /// `--max-worker-memory`
    Memory,
    /// `--max-worker-lifetime`
    Lifetime,
    /// `ctl restart-worker`
    Requested,
    /// One of its threads hangs; the others serve.
    Hung,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Command {
    Reload,
    /// To that many workers; 0 is refused.
    Scale(u32),
    Stop(StopMode),
    RestartWorker(Slot),
    /// Boot a generation beside the one that serves, and hold it.
    Stage,
    /// Let the generation that is held serve.
    Promote,
    /// Remove the generation that boots to be held, or is.
    Discard,
    /// Let some slots of a new generation serve.
    Canary(Trial),
    /// The generation that served before serves again.
    Rollback,
}

/// What a canary is to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Trial {
    pub portion: Portion,
    /// Then it ends: promoted if it was judged and is not worse, otherwise taken back. `None`: an operator ends it.
    pub lasts: Option<Duration>,
    /// It is compared with the generation that serves, once it has answered so many requests. `None`: an operator judges.
    pub judged: Option<u64>,
}

/// How many slots of a generation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Portion {
    Slots(u32),
    /// Rounded up.
    Percent(u32),
}

impl Portion {
    /// At least one, of so many.
    pub(super) fn of(self, slots: u32) -> u32 {
        let wished = match self {
            Self::Slots(wished) => wished,
            Self::Percent(percent) => {
                let parts = u64::from(slots) * u64::from(percent);
                u32::try_from(parts.div_ceil(100)).unwrap_or(u32::MAX)
            }
        };
        wished.clamp(1, slots.max(1))
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StopMode {
    Graceful,
    Fast,
}
