//! The supervisor's state for status displays.

use std::time::Duration;

use super::phase::MasterPhase;
use super::reload_state::{Batch, Goal, Reload, Rollout};
use super::worker::{Worker, WorkerLife};
use super::{CompanionView, Generation, KeptProcesses, ScalingView, Slot, Supervisor, Who};

/// State of a worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WorkerStage {
    Booting,
    /// Ready, waiting for the rest of its generation.
    Standby,
    Serving,
    /// Does not accept, and may serve again.
    Paused,
    Hung,
    Draining,
    /// Ordered to end, or killed.
    Stopping,
}

/// State of the server as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ServerState {
    /// The first boot is not complete.
    Booting,
    Serving,
    Reloading,
    Stopping,
}

/// A generation in a rollout.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RolloutView {
    pub generation: Generation,
    pub stage: RolloutStage,
    /// Slots that run the new generation.
    pub slots: u32,
    /// Until a canary ends by itself.
    pub left: Option<Duration>,
}

/// The generation that can be brought back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PreviousView {
    pub generation: Generation,
    pub kept: KeptProcesses,
    /// Until it can no longer be.
    pub left: Duration,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RolloutStage {
    /// To serve as soon as it can.
    Reloading,
    /// It boots, to be staged.
    Staging,
    Staged,
    /// It boots, to serve in some slots.
    CanaryBooting,
    Canary,
    /// The previous one serves again.
    TakingBack,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WorkerView {
    pub who: Who,
    pub stage: WorkerStage,
}

impl WorkerView {
    fn of(worker: &Worker) -> Self {
        let stage = match worker.life {
            WorkerLife::Booting { .. } => WorkerStage::Booting,
            WorkerLife::Standby => WorkerStage::Standby,
            WorkerLife::Serving => WorkerStage::Serving,
            WorkerLife::Paused => WorkerStage::Paused,
            WorkerLife::Hung { .. } | WorkerLife::Aborting { .. } => WorkerStage::Hung,
            WorkerLife::Draining { .. } => WorkerStage::Draining,
            WorkerLife::Failed { .. }
            | WorkerLife::Terminated { .. }
            | WorkerLife::Stopping { .. }
            | WorkerLife::Killed => WorkerStage::Stopping,
        };
        Self {
            who: worker.who,
            stage,
        }
    }
}

impl Supervisor {
    /// In the order of their spawns.
    pub fn workers(&self) -> impl Iterator<Item = WorkerView> {
        self.server.workers.values().map(WorkerView::of)
    }

    /// Those of one slot.
    pub fn workers_in(&self, slot: Slot) -> impl Iterator<Item = WorkerView> {
        self.server.workers.in_slot(slot).map(WorkerView::of)
    }

    #[must_use]
    pub fn service(&self) -> ServerState {
        match (self.server.phase, &self.server.reload) {
            (MasterPhase::Preparing(at), _) if !at.course.goes_on() => ServerState::Stopping,
            (MasterPhase::Preparing(_) | MasterPhase::FirstBoot, _) => ServerState::Booting,
            (MasterPhase::Running, Reload::Idle) => ServerState::Serving,
            (MasterPhase::Running, reload) if reload.is_held() => ServerState::Serving,
            (MasterPhase::Running, Reload::Reading { .. } | Reload::Rolling(_)) => {
                ServerState::Reloading
            }
            (
                MasterPhase::Delayed { .. }
                | MasterPhase::Stopping { .. }
                | MasterPhase::Closing { .. }
                | MasterPhase::Gone,
                _,
            ) => ServerState::Stopping,
        }
    }

    #[must_use]
    pub fn rollout(&self) -> Option<RolloutView> {
        let stage = match self.server.reload.goal()? {
            Goal::Serve => RolloutStage::Reloading,
            Goal::Stage if self.server.reload.is_held() => RolloutStage::Staged,
            Goal::Stage => RolloutStage::Staging,
            Goal::Canary(_) if self.server.reload.is_held() => RolloutStage::Canary,
            Goal::Canary(_) => RolloutStage::CanaryBooting,
            Goal::Return { .. } => RolloutStage::TakingBack,
        };
        let rollout = self.server.reload.rollout();
        let until = rollout.and_then(|rollout| match rollout.batch {
            Batch::Held { until } => until,
            Batch::Booting | Batch::Switching { .. } => None,
        });
        Some(RolloutView {
            generation: self.server.reload.generation()?,
            stage,
            slots: rollout.map_or(0, Rollout::switched),
            left: until.map(|until| until.since(self.server.now())),
        })
    }

    /// Whether that generation boots to be staged, or to be a canary.
    #[must_use]
    pub fn will_hold(&self, generation: Generation) -> bool {
        let rollout = self.rollout().filter(|it| it.generation == generation);
        rollout.is_some_and(|rollout| match rollout.stage {
            RolloutStage::Staging | RolloutStage::CanaryBooting => true,
            RolloutStage::Reloading
            | RolloutStage::Staged
            | RolloutStage::Canary
            | RolloutStage::TakingBack => false,
        })
    }

    /// The generation that is staged, or a canary.
    #[must_use]
    pub fn held(&self) -> Option<Generation> {
        let rollout = self.rollout()?;
        let is_held = rollout.stage == RolloutStage::Staged || self.is_canary();
        is_held.then_some(rollout.generation)
    }

    /// A new generation serves in some slots, beside the one that serves: a canary, also while it gets more slots or all, and a reload in batches.
    #[must_use]
    pub fn is_canary(&self) -> bool {
        match self.rollout().map(|rollout| rollout.stage) {
            Some(RolloutStage::Canary) => true,
            Some(RolloutStage::CanaryBooting | RolloutStage::Reloading) => {
                (self.server.reload.rollout()).is_some_and(|rollout| rollout.done > 0)
            }
            Some(RolloutStage::Staging | RolloutStage::Staged | RolloutStage::TakingBack)
            | None => false,
        }
    }

    #[must_use]
    pub fn previous(&self) -> Option<PreviousView> {
        let previous = self.server.previous.as_ref()?;
        Some(PreviousView {
            generation: previous.generation,
            kept: previous.kept,
            left: previous.until.since(self.server.now()),
        })
    }

    /// Whether workers of that generation accept connections, or may do so later.
    #[must_use]
    pub fn may_accept(&self, generation: Generation) -> bool {
        let previous = self
            .server
            .previous
            .as_ref()
            .map(|previous| previous.generation);
        let expected = [
            Some(self.server.generation),
            self.server.reload.generation(),
            previous,
        ];
        expected.contains(&Some(generation))
            || self
                .server
                .places
                .values()
                .any(|it| it.generation == generation)
            || self
                .server
                .workers
                .values()
                .any(|worker| worker.who.generation == generation && worker.stays())
    }

    /// Number of wanted workers.
    #[must_use]
    pub fn target(&self) -> u32 {
        self.server.target
    }

    /// The generation that serves.
    #[must_use]
    pub fn generation(&self) -> Generation {
        self.server.generation
    }

    /// Whether some worker may have a memory limit: then its memory has to be sampled.
    #[must_use]
    pub fn looks_at_memory(&self) -> bool {
        self.server.plan.limits.memory.is_some()
    }

    /// Whether the first boot is complete and no stop was ordered.
    #[must_use]
    pub fn is_up(&self) -> bool {
        self.server.phase == MasterPhase::Running
    }

    /// Whether the mold of that generation can fork workers and call its last hook.
    #[must_use]
    pub fn mold_is_ready(&self, generation: Generation) -> bool {
        self.server.molds.is_ready(generation)
    }

    /// In the order in which their names came up.
    pub fn companions(&self) -> impl Iterator<Item = CompanionView<'_>> {
        self.server.companions.views()
    }

    #[must_use]
    pub fn scaling(&self) -> Option<ScalingView> {
        self.server.scaling.view(self.server.now())
    }

    /// Whether the plan of the serving generation has these numbers; `most` is that of a range.
    #[must_use]
    pub fn plans_for(&self, workers: u32, most: u32) -> bool {
        self.server.plan.counts(workers, most)
    }
}
