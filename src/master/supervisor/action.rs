//! What the shell is to do, in the order given. None of it answers at once: every outcome comes back as an event.

use std::time::Duration;

use super::{Generation, Helper, Incarnation, Report, Signal, Slot, Token};

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Start the command of that number (from 0), with all it needs to be signalled as a whole. Answered by `Prepared`.
    Prepare { step: u32 },
    /// Pass a signal on to the command that runs.
    SignalPreparation { signal: Signal },
    /// SIGKILL to it.
    KillPreparation,
    /// Start the mold of that generation. Answered by `Mold`, and by `MoldEnded` some day.
    StartMold { generation: Generation },
    /// SIGKILL to it. Answered by `MoldEnded`.
    KillMold { generation: Generation },
    /// Fork a worker with the settings of that generation, from its mold where it has one. Answered by its messages and `Exited`,
    /// or by `SpawnFailed`.
    Spawn {
        incarnation: Incarnation,
        slot: Slot,
        generation: Generation,
    },
    /// Write to the worker's channel. A worker that cannot be written to is dying: `Exited` follows.
    Send {
        incarnation: Incarnation,
        order: Order,
    },
    /// SIGTERM, only to workers that boot: its default action ends them at once.
    Terminate { incarnation: Incarnation },
    /// SIGKILL.
    Kill {
        incarnation: Incarnation,
        why: KillReason,
    },
    /// SIGABRT to a worker that hangs: its `worker_abort` hook runs. `Kill` follows, unless it ends.
    Abort { incarnation: Incarnation },
    /// Start that helper; `HelperEnded` follows some day.
    StartHelper { helper: Helper },
    /// Call the last hook, end every helper; answered by `HelpersEnded`.
    EndHelpers,
    /// Make the worker print the Python stack of every thread, and log what it was doing. A report that it hangs came before.
    DumpStacks { incarnation: Incarnation },
    /// Feed one `Event::Memory`: workers of a new generation are about to boot beside the others.
    MeasureMemory,
    /// Feed one `Event::Compared`: what both generations have answered since this was asked for the first time.
    CompareGenerations { canary: Generation, old: Generation },
    /// Feed one `Event::Heartbeats` with every worker that was ready.
    SampleHeartbeats,
    /// Close the master's own listeners: the server ends, the workers empty the accept queue.
    CloseListeners,
    /// Read the configuration again; answered by `ConfigRead` with the same generation. Good settings become that generation's.
    ReadConfig { generation: Generation },
    /// USR1.
    ReopenLogs,
    /// Settings of that generation will not be asked for again: no worker of it lives and none will be spawned. Its mold ends.
    Forget { generation: Generation },
    /// A fact for the log.
    Report(Report),
    /// A change of the service's state for systemd and for readiness probes.
    Notify(ServiceState),
    /// The one answer to a `Control` event.
    Reply { token: Token, answer: Answer },
    /// All workers are gone: leave with this code. The last action ever.
    Exit { code: u8 },
}

/// `ipc::ToWorker`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    Go,
    /// A second one may follow a first (a server that stops while it drains a replaced worker): the later one counts.
    Drain {
        reason: DrainReason,
        graceful: Duration,
    },
    StopFast,
    /// Stop accepting, as with `Drain`, finish what is in flight, and stay: `Go` may follow, or `Drain`.
    Pause,
}

/// `ipc::DrainReason`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DrainReason {
    Replaced,
    Shutdown,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KillReason {
    /// `--boot-timeout` passed before `Ready`.
    BootTimeout,
    /// No sign of life for `--timeout`.
    Hung,
    /// Told to drain or stop, and did not come to an end in time.
    Overdue,
}

/// The service as seen from outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ServiceState {
    /// Every worker is ready (first boot), or a reload ended, well or badly.
    Ready,
    Reloading,
    Stopping,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    Reloaded {
        generation: Generation,
    },
    ReloadFailed {
        generation: Generation,
        why: super::ReloadFailure,
    },
    /// Every worker of that generation is ready, and none of them serves.
    Staged {
        generation: Generation,
        workers: u32,
    },
    StageFailed {
        generation: Generation,
        why: super::ReloadFailure,
    },
    Discarded {
        generation: Generation,
    },
    /// So many of its slots serve.
    CanaryServes {
        generation: Generation,
        slots: u32,
        of: u32,
    },
    /// It serves no more, `to` does.
    TakenBack {
        generation: Generation,
        to: Generation,
        why: super::ReloadFailure,
    },
    /// Nothing was done.
    Refused(Refusal),
    Scaled {
        from: u32,
        to: u32,
    },
    /// The stop has begun; it is over when the master is gone.
    Stopping,
    WorkerReplaced {
        slot: Slot,
    },
    /// The replacement did not boot; whoever served in that slot goes on.
    RestartFailed {
        slot: Slot,
        why: super::BootFailure,
    },
    NoSuchSlot {
        slot: Slot,
    },
    /// A server has at least one worker.
    TooFew,
    TooMany {
        most: u32,
    },
    /// The server is stopping: nothing else will be done.
    ServerStopping,
}

/// Why a command of a rollout was not carried out: one rollout at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// A reload was asked for, or goes on. `None`: it has not begun.
    Reloading {
        generation: Option<Generation>,
    },
    /// That generation boots to be staged.
    Staging {
        generation: Option<Generation>,
    },
    /// That generation is staged, and has to be promoted or discarded first.
    Staged {
        generation: Generation,
    },
    /// Some of its slots serve, and it has to be promoted or discarded first.
    Canary {
        generation: Generation,
    },
    /// The generation before serves again, or is about to.
    TakingBack {
        generation: Generation,
    },
    NothingStaged,
    /// No generation before is kept.
    NothingKept,
    /// It has that many slots already.
    NotMore {
        slots: u32,
    },
    /// With all slots there is nothing to compare it with.
    NothingToCompare,
}
