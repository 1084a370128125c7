//! Rollouts within the available memory: before each batch the free memory determines how many workers boot beside
//! the others.
//!
//! When a control group is full, the kernel kills its largest process, and that is a serving worker. So if not all
//! new workers fit, slots are replaced a few at a time, as with a surge; if not one fits, the reload is refused.

use super::clock::PULSE;
use super::mutation::fault;
use super::reload_state::{Batch, Goal, Missing, Room};
use super::worker::{Worker, WorkerLife};
use super::{Action, AvailableMemory, Moment, ReloadFailure, Report, Supervisor};

impl Supervisor {
    /// Called before each batch.
    pub(super) fn ask_room(&mut self) {
        if let Some(rollout) = self.reload.rollout_mut() {
            rollout.room = Room::Asked;
            self.act(Action::MeasureMemory);
        }
    }

    pub(super) fn take_memory(&mut self, memory: Option<AvailableMemory>) {
        self.memory = memory;
        let (now, ignored) = (self.now(), fault!(self, MemoryIsIgnored));
        let is_leaving_room = self.is_leaving_room();
        let Some(rollout) = self
            .reload
            .rollout_mut()
            .filter(|rollout| rollout.room == Room::Asked && rollout.batch == Batch::Booting)
        else {
            return;
        };
        let left = rollout.target.saturating_sub(rollout.done);
        let Some(memory) = memory.filter(|_| !ignored) else {
            rollout.room = Room::For { slots: u32::MAX };
            return;
        };
        let slots = memory.room();
        // A stage needs all slots.
        let fewest = match rollout.goal {
            Goal::Serve => left.min(1),
            Goal::Stage => left,
            Goal::Canary(trial) => rollout.slots_of(trial).saturating_sub(rollout.done),
            Goal::Return {
                missing: Missing::Needed,
                ..
            } => left.min(1),
            Goal::Return { .. } => 0,
        };
        if slots < fewest.max(1) && is_leaving_room {
            rollout.room = Room::NotYet { again: now + PULSE };
        } else if slots < fewest {
            self.fail_rollout(ReloadFailure::NoMemory { memory });
        } else {
            rollout.room = Room::For { slots };
        }
    }

    /// The batch that boots is smaller than planned.
    pub(super) fn report_limited(&mut self, at_once: u32) {
        let (Some(rollout), Some(memory)) = (self.reload.rollout_mut(), self.memory) else {
            return;
        };
        if rollout.at_once.replace(at_once) != Some(at_once) {
            let generation = rollout.generation;
            self.report(Report::ReloadLimited {
                generation,
                at_once,
                memory,
            });
        }
    }

    /// Some worker is about to exit, and to free memory.
    fn is_leaving_room(&self) -> bool {
        !fault!(self, LeavingIsNotAwaited) && self.workers.values().any(|w| !w.stays())
    }

    pub(super) fn room_deadline(&self) -> Option<Moment> {
        match self.reload.rollout()?.room {
            Room::NotYet { again } => Some(again),
            Room::Asked | Room::For { .. } => None,
        }
    }

    pub(super) fn enforce_room(&mut self) {
        if self
            .room_deadline()
            .is_some_and(|again| again <= self.now())
        {
            self.ask_room();
        }
    }

    /// Workers of a rolled-back generation are exiting, and hold memory that others need. Without a limit there is no
    /// need to wait for that.
    pub(super) fn takes_back(&self) -> bool {
        if self.memory.is_none() || fault!(self, RespawnDuringRollback) {
            return false;
        }
        let coming = self.reload.generation();
        let leaves = |w: &Worker| {
            matches!(
                w.life,
                WorkerLife::Terminated { .. } | WorkerLife::Stopping { .. }
            ) && w.who.generation > self.generation
                && Some(w.who.generation) != coming
        };
        self.workers.values().any(leaves)
    }
}
