//! Actions for the shell to carry out, in the order given. None returns a result directly: every outcome comes back
//! as an event.

use std::time::Duration;

use super::{CompanionId, Generation, Helper, Incarnation, Report, Signal, Slot, Token};

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Start the command of that number (from 0), in a process group of its own. Answered by `Prepared`.
    Prepare { step: u32 },
    /// Forward a signal to the running command.
    SignalPreparation { signal: Signal },
    /// SIGKILL to the running command.
    KillPreparation,
    /// Start the mold of that generation. Answered by `Mold`, and by `MoldEnded` when it exits.
    StartMold { generation: Generation },
    /// SIGKILL to the mold. Answered by `MoldEnded`.
    KillMold { generation: Generation },
    /// That worker is the mold of its generation from now on; the mold before is kept. It is no worker any more: no `Exited` follows.
    AdoptMold {
        incarnation: Incarnation,
        generation: Generation,
    },
    /// The mold that was kept by `AdoptMold` exits.
    EndMoldBefore { generation: Generation },
    /// SIGKILL to the mold, and the one that was kept by `AdoptMold` is the mold again. `SpawnFailed` follows for each worker that
    /// was yet to be forked, and `MoldEnded` if the kept one has ended.
    ReturnToMoldBefore { generation: Generation },
    /// Fork a worker with the settings of that generation, from its mold where it has one. Answered by its messages and `Exited`,
    /// or by `SpawnFailed`.
    Spawn {
        incarnation: Incarnation,
        slot: Slot,
        generation: Generation,
    },
    /// Write to the worker's channel. A write error means that the worker is dying: `Exited` follows.
    Send {
        incarnation: Incarnation,
        order: Order,
    },
    /// SIGTERM, only to booting workers: its default action ends them at once.
    Terminate { incarnation: Incarnation },
    /// SIGKILL.
    Kill {
        incarnation: Incarnation,
        why: KillReason,
    },
    /// SIGABRT to a hung worker: its `worker_abort` hook runs. `Kill` follows, unless it exits.
    Abort { incarnation: Incarnation },
    /// Start that helper; `HelperEnded` follows when it exits.
    StartHelper { helper: Helper },
    /// SIGKILL to a helper that hangs; `HelperEnded` follows as a failure.
    KillHelper { helper: Helper },
    /// That worker is the leader from now on, and no other one.
    Lead { leader: Option<Incarnation> },
    /// Start that companion as the settings of that generation have it. Answered by `CompanionStarted`, and by `CompanionEnded`
    /// some day or at once.
    StartCompanion {
        companion: CompanionId,
        generation: Generation,
    },
    /// SIGTERM to its process.
    EndCompanion { companion: CompanionId },
    /// SIGKILL to its process, and to all that it has started.
    KillCompanion { companion: CompanionId },
    /// Call the last hook and end every helper; answered by `HelpersEnded`.
    EndHelpers,
    /// Make the worker print the Python stack of every thread, and log what it was doing. The report that it hangs
    /// comes first.
    DumpStacks { incarnation: Incarnation },
    /// Feed one `Event::Memory`: workers of a new generation are about to boot beside the others.
    MeasureMemory,
    /// Feed one `Event::Load`: what the serving workers have done since this was asked the last time.
    SampleLoad,
    /// Feed one `Event::ScaleRoom`: there are to be more workers.
    MeasureScaleRoom,
    /// Feed one `Event::Compared`: the requests of both generations since this action was first given.
    CompareGenerations { canary: Generation, old: Generation },
    /// Feed one `Event::Heartbeats` with every ready worker.
    SampleHeartbeats,
    /// Feed one `Event::HelperBeat` for each helper with a heartbeat.
    SampleHelpers,
    /// Close the master's own listeners: the server stops, the workers empty the accept queue.
    CloseListeners,
    /// Read the configuration again; answered by `ConfigRead` with the same generation, whose settings they become if
    /// they are valid.
    ReadConfig { generation: Generation },
    /// USR1.
    ReopenLogs,
    /// The settings of that generation are no longer needed: none of its workers lives and none will be spawned. Its
    /// mold exits.
    Forget { generation: Generation },
    /// A fact for the log.
    Report(Report),
    /// A change of the service's state for systemd and for readiness probes.
    Notify(ServiceState),
    /// The one answer to a `Control` event.
    Reply { token: Token, answer: Answer },
    /// All workers have exited: exit with this code. The last action of all.
    Exit { code: u8 },
}

/// `ipc::ToWorker`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    Go,
    /// May follow an earlier one (a server that stops while it drains a replaced worker): the later one applies.
    Drain {
        reason: DrainCause,
        graceful: Duration,
    },
    StopFast,
    /// As `Drain`, but the process stays and becomes the mold: it answers with `CanFork`, or exits if it cannot.
    BecomeMold {
        graceful: Duration,
    },
    /// Stop accepting, as with `Drain`, finish in-flight requests, and stay: `Go` or `Drain` may follow.
    Pause,
}

/// `ipc::DrainReason`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DrainCause {
    Replaced,
    Shutdown,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KillReason {
    /// `--boot-timeout` passed before `Ready`.
    BootTimeout,
    /// No heartbeat for `--timeout`.
    Hung,
    /// Ordered to drain or stop, and did not exit in time.
    Overdue,
}

/// The service as seen from outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ServiceState {
    /// Every worker is ready (first boot), or a reload has ended, successfully or not.
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
    /// Every worker of that generation is ready; it does not serve.
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
    /// It no longer serves; generation `to` does.
    TakenBack {
        generation: Generation,
        to: Generation,
        why: super::ReloadFailure,
    },
    /// It goes on serving: the generation before it fails to boot.
    NotTakenBack {
        generation: Generation,
        why: super::ReloadFailure,
    },
    /// Nothing was changed.
    Refused(RolloutRefusal),
    Scaled {
        from: u32,
        to: u32,
    },
    /// The load decides between these numbers; so many are wanted now.
    ScaledBetween {
        bounds: super::Bounds,
        workers: u32,
    },
    /// The server was started with a fixed number of workers.
    NotScaling,
    /// The stop has begun; it is complete when the master has exited.
    Stopping,
    WorkerReplaced {
        slot: Slot,
    },
    /// The replacement did not boot; the old worker of that slot keeps serving.
    RestartFailed {
        slot: Slot,
        why: super::BootFailure,
    },
    /// It has a new process.
    CompanionRestarted {
        companion: CompanionId,
    },
    /// It ended at once, or cannot be started; it is tried again.
    CompanionNotStarted {
        companion: CompanionId,
    },
    NoSuchCompanion,
    NoSuchSlot {
        slot: Slot,
    },
    /// A server has at least one worker.
    TooFew,
    TooMany {
        most: u32,
    },
    /// The server is stopping: no further commands are carried out.
    ServerStopping,
}

/// Why a command of a rollout was not carried out: one rollout at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RolloutRefusal {
    /// A reload is queued or in progress. `None`: queued.
    Reloading {
        generation: Option<Generation>,
    },
    /// That generation is booting, to be staged.
    Staging {
        generation: Option<Generation>,
    },
    /// That generation is staged, and must be promoted or discarded first.
    Staged {
        generation: Generation,
    },
    /// Some of its slots serve, and it must be promoted or discarded first.
    Canary {
        generation: Generation,
    },
    /// The previous generation serves again, or is about to.
    TakingBack {
        generation: Generation,
    },
    NothingStaged,
    /// No previous generation is kept.
    NothingKept,
    /// It already has that many slots.
    NotMore {
        slots: u32,
    },
    /// If all slots are a canary, there is nothing to compare it with.
    /// A canary leaves some slot to the generation that serves.
    AllSlots {
        of: u32,
    },
}

impl RolloutRefusal {
    /// A generation is held, or is about to be.
    pub(super) fn is_for_a_stage(self) -> bool {
        match self {
            Self::Staging { .. } | Self::Staged { .. } | Self::Canary { .. } => true,
            Self::Reloading { .. }
            | Self::TakingBack { .. }
            | Self::NothingStaged
            | Self::NothingKept
            | Self::NotMore { .. }
            | Self::AllSlots { .. } => false,
        }
    }
}
