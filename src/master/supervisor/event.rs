//! The events of the supervisor: a closed list. Texts (tracebacks, error messages) stay with the shell.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{
    Bounds, CompanionId, Figures, Generation, Helper, HelperEnd, Incarnation, Load, Plan, Slot,
    Token,
};

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// The master received a signal from an operator (or init). SIGCHLD is not one: its outcome is `Exited`.
    Signal(Signal),
    /// A message from a worker. The shell reads a dead worker's channel to its end before it reports `Exited`.
    Worker {
        incarnation: Incarnation,
        message: WorkerMessage,
    },
    /// The worker was reaped. Its last event.
    Exited {
        incarnation: Incarnation,
        exit: Exit,
    },
    /// A mold has forked the worker of `Action::Spawn`. Without a mold that happens at once.
    Forked { incarnation: Incarnation },
    /// A message from a mold.
    Mold {
        generation: Generation,
        message: MoldMessage,
    },
    /// A mold was reaped, or could not be started. `SpawnFailed` follows for each worker that it had yet to fork.
    MoldEnded {
        generation: Generation,
        why: BootFailure,
    },
    /// `Action::Spawn` failed (fork failed). The incarnation's last event.
    SpawnFailed { incarnation: Incarnation },
    /// Answer to `Action::SampleHeartbeats`: all ready workers in one event, so that a check costs time linear in
    /// their number.
    Heartbeats(Vec<Beat>),
    /// Answer to `Action::DumpStacks` (optional: a kill comes a second later in any case).
    StacksDumped { incarnation: Incarnation },
    /// Answer to `Action::ReadConfig`.
    ConfigRead {
        generation: Generation,
        result: ConfigResult,
    },
    /// `Action::Abort` failed: the process has no handler for that signal.
    AbortInVain { incarnation: Incarnation },
    /// A helper has ended, or could not be started.
    HelperEnded { helper: Helper, end: HelperEnd },
    /// Answer to `Action::SampleHelpers`: the age of its last heartbeat. None from one that has not written any yet.
    HelperBeat { helper: Helper, age: Duration },
    /// `Action::StartCompanion` was done.
    CompanionStarted { companion: CompanionId },
    /// The process of a companion was reaped, or could not be started.
    CompanionEnded {
        companion: CompanionId,
        end: CompanionEnd,
    },
    /// Answer to `Action::EndHelpers`: the last hook has returned, and no helper is left.
    HelpersEnded,
    /// Answer to `Action::CompareGenerations`.
    Compared {
        canary: Generation,
        old: Box<Figures>,
        new: Box<Figures>,
    },
    /// Answer to `Action::MeasureMemory`; `None`: there is no limit, or it cannot be measured.
    Memory(Option<AvailableMemory>),
    /// Answer to `Action::SampleLoad`.
    Load(Box<Load>),
    /// Answer to `Action::MeasureScaleRoom`; `None`: nothing limits the memory of workers.
    ScaleRoom(Option<AvailableMemory>),
    /// What the settings of the serving generation mean now, with so many CPUs. Ignored during a rollout or a stop.
    Cpus {
        cpus: u32,
        workers: u32,
        /// Of a range.
        most: u32,
    },
    /// The command of `Action::Prepare` has exited: its exit code, or the one that a shell would report.
    Prepared { step: u32, code: u8 },
    /// Files of the app have changed (`Sources::Watched`).
    Changed,
    /// A command from the control socket; exactly one `Action::Reply` with this token will follow.
    Control { token: Token, command: Command },
    /// `next_timeout()` has passed. (Every event enforces passed deadlines; this one does nothing else.)
    Timeout,
}

/// Memory available for workers, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct AvailableMemory {
    /// Limit of the control group.
    pub limit: u64,
    /// Below the limit, and not in use.
    pub free: u64,
    /// Memory of one additional worker.
    pub worker: u64,
}

impl AvailableMemory {
    /// How many more workers fit.
    pub(super) fn room(self) -> u32 {
        u32::try_from(self.free / self.worker.max(1)).unwrap_or(u32::MAX)
    }
}

/// A worker's heartbeat, as sampled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Beat {
    pub incarnation: Incarnation,
    /// Age of its last heartbeat.
    pub age: Duration,
    /// One of its threads has made no progress for that long.
    pub slowest: Option<Duration>,
    /// Requests begun in its lifetime.
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
    /// The reply to `Order::Drain`; unasked: another process has sent it SIGTERM.
    StoppedAccepting,
    Failed {
        phase: BootPhase,
    },
    /// The reply to `Order::BecomeMold`.
    CanFork,
}

/// A message from a mold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MoldMessage {
    /// It can fork workers from here on.
    Ready,
    /// It exits after this.
    Failed { phase: BootPhase },
}

/// `ipc::Phase`: where a boot failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum BootPhase {
    Boot,
    Import,
    Load,
    Lifespan,
    ReadyPath,
    Settings,
}

/// How a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Exit {
    Code(u8),
    Signal {
        signal: i32,
        core: CoreDump,
    },
    /// Killed by the kernel's out-of-memory killer.
    OutOfMemory,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum CoreDump {
    Written,
    No,
}

/// Why a worker, or a mold, did not become ready.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum BootFailure {
    /// Reported by the worker itself, with a text.
    Reported(BootPhase),
    Exited(Exit),
    TimedOut,
    NotSpawned,
}

/// Result of reading the configuration again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ConfigResult {
    Good(Box<Plan>),
    /// It is invalid, or the reader crashed or timed out; the shell has the text.
    Bad,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Command {
    Reload,
    /// To that many workers; 0 is refused.
    Scale(u32),
    /// The load decides, between these numbers.
    ScaleBetween(Bounds),
    Stop(StopMode),
    RestartWorker(Slot),
    /// A new process of that companion.
    RestartCompanion(CompanionId),
    /// Boot a generation beside the one that serves, and hold it.
    Stage,
    /// Let the held generation serve.
    Promote,
    /// Remove the generation that is held, or boots to be held.
    Discard,
    /// Let some slots of a new generation serve.
    Canary(Trial),
    /// Let the previous generation serve again.
    Rollback,
}

/// Parameters of a canary.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trial {
    pub portion: Portion,
    /// After this it ends: promoted if it was judged and is not worse, otherwise taken back. `None`: an operator ends
    /// it.
    pub lasts: Option<Duration>,
    /// It is compared with the generation that serves, once it has completed so many requests. `None`: an operator
    /// judges.
    pub judged: Option<u64>,
}

/// A number of a generation's slots.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Portion {
    Slots(u32),
    /// Rounded up.
    Percent(u32),
}

impl Portion {
    /// That portion of so many slots, at least one.
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

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum StopMode {
    Graceful,
    Fast,
}

/// How the process of a companion came to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CompanionEnd {
    Exited(Exit),
    NotStarted,
}
