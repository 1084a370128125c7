//! The point of no return of a rollout: the old workers drain, then the new ones go.

use std::time::Duration;

use super::mutation::fault;
use super::reload_state::{Batch, Goal, Missing, Replaced};
use super::rollout::RolloutStep;
use super::slot::SlotState;
use super::worker::{Worker, WorkerLife};
use super::{KeptProcesses, Moment, ReloadFailure, Slot, Supervisor};

/// How long the new workers wait for the old ones' `StoppedAccepting`.
const ACKNOWLEDGE: Duration = Duration::from_secs(1);

impl Supervisor {
    /// The new workers of the batch are ready: drains the old ones.
    pub(super) fn switch(&mut self, end: u32) {
        let until = self.now() + ACKNOWLEDGE;
        let Some(rollout) = self.reload.rollout_mut() else {
            return;
        };
        rollout.batch = Batch::Switching {
            end,
            until,
            doomed: None,
        };
        let (generation, done) = (rollout.generation, rollout.done);
        let replaced = match rollout.goal {
            Goal::Serve
                if end >= rollout.target
                    && rollout.plan.keeps_of(&self.plan) != Some(KeptProcesses::Workers) =>
            {
                Replaced::Drained
            }
            _ => rollout.replaced,
        };
        let last = match rollout.goal {
            Goal::Serve | Goal::Stage => end >= rollout.target,
            Goal::Canary(_) => false,
            Goal::Return { slots, .. } => end >= slots.min(rollout.target),
        };
        self.replace_old(end, replaced);
        for slot in (done..end).map(Slot) {
            let waiting = self.places.remove(&slot).map(|place| place.waiting);
            let mut place = SlotState::new(generation);
            place.waiting = waiting.unwrap_or_default();
            self.vacant.insert(slot);
            self.places.insert(slot, place);
        }
        if last {
            self.commit();
        } else {
            self.target = self.target.max(end);
        }
    }

    /// Those that are paused already stay paused: the commit decides.
    fn replace_old(&mut self, end: u32, replaced: Replaced) {
        let Some(rollout) = self.reload.rollout() else {
            return;
        };
        let serves = self.generation;
        let old = |w: &Worker| {
            w.who.generation != rollout.generation
                && w.life != WorkerLife::Paused
                && rollout.replaces(w.who, end)
        };
        for old in self.incarnations(old) {
            let keeps = |w: &Worker| w.life == WorkerLife::Serving && w.who.generation == serves;
            if fault!(self, SwitchWithoutDrain) {
                continue;
            }
            match replaced {
                Replaced::Paused if self.workers.get(old).is_some_and(keeps) => self.pause(old),
                Replaced::Paused | Replaced::Drained => self.dismiss(old),
            }
        }
    }

    /// The new generation is the one that serves: its plan applies from here on. Idempotent. Slots added after that
    /// are no part of the rollout.
    pub(super) fn commit(&mut self) {
        let Some(rollout) = self.reload.rollout_mut() else {
            return;
        };
        if std::mem::replace(&mut rollout.committed, true) {
            return;
        }
        let (generation, target, plan) = (rollout.generation, rollout.target, rollout.plan.clone());
        let bounds = rollout.bounds;
        (self.target, self.scaling.bounds) = (target, bounds);
        let old = std::mem::replace(&mut self.plan, plan);
        let before = std::mem::replace(&mut self.generation, generation);
        if before != generation {
            self.keep_or_release(before, old);
        }
    }

    /// Lets the batch go once no old worker accepts any more, so that new connections meet one version.
    pub(super) fn finish_switch(
        &mut self,
        end: u32,
        until: Moment,
        doomed: Option<ReloadFailure>,
    ) -> RolloutStep {
        let Some(rollout) = self.reload.rollout() else {
            return RolloutStep::Wait;
        };
        let committed = rollout.committed;
        let accepting = self.workers.values().any(|w| {
            w.accepting && w.who.generation != rollout.generation && rollout.replaces(w.who, end)
        });
        let patient = self.now() < until || fault!(self, WaitForeverForAcknowledgements);
        if accepting && patient && !fault!(self, GoBeforeOldStoppedAccepting) {
            return RolloutStep::Wait;
        }
        self.go_all();
        let Some(rollout) = self.reload.rollout_mut() else {
            return RolloutStep::Wait;
        };
        rollout.done = end;
        rollout.batch = Batch::Booting;
        let in_batches = match rollout.goal {
            Goal::Serve => true,
            Goal::Return { missing, .. } => missing == Missing::Needed,
            Goal::Stage | Goal::Canary(_) => false,
        };
        if !committed && in_batches {
            self.ask_room();
        }
        if let Some(why) = doomed.filter(|_| !committed) {
            self.fail_rollout(why);
        }
        RolloutStep::Again
    }

    /// The ready workers of the new generation; of one that returns, those that were paused.
    pub(super) fn go_all(&mut self) {
        let Some(rollout) = self.reload.rollout() else {
            return;
        };
        let (generation, switched, goal) = (rollout.generation, rollout.switched(), rollout.goal);
        let goes = |w: &Worker| {
            w.who.generation == generation
                && (w.who.slot.0 < switched || goal == Goal::Serve)
                && match w.life {
                    WorkerLife::Standby => true,
                    WorkerLife::Paused => matches!(goal, Goal::Return { .. }),
                    _ => false,
                }
        };
        for new in self.incarnations(goes) {
            self.go(new);
        }
    }
}
