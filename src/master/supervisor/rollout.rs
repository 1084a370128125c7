//! Replacing one generation by another: boot a batch beside the old workers, switch to it (`switch.rs`), next batch.
//!
//! Without a surge there is one batch, all slots; then the whole is a transaction. With `surge` K the batches are K
//! slots wide: a failure in the first one leaves nothing behind, a later one stops the rollout where it is (the slots
//! already replaced keep the new generation, because without a mold the code of the old one may be gone from the
//! disk).

use super::mutation::fault;
use super::reload_state::{Batch, Goal, Missing, Reload, Replaced, Rollout, Room};
use super::worker::WorkerLife;
use super::{
    Action, Answer, KeptProcesses, Plan, ReloadFailure, Report, ServiceState, Slot, Supervisor,
};

/// Whether the rollout can continue at once.
#[derive(PartialEq, Eq)]
pub(super) enum RolloutStep {
    Again,
    Wait,
}

impl Supervisor {
    pub(super) fn begin_rollout(&mut self, plan: Plan) {
        let Reload::Reading {
            generation,
            goal,
            tokens,
            ..
        } = std::mem::replace(&mut self.reload, Reload::Idle)
        else {
            return;
        };
        let (target, bounds) = self.carried_over(&plan);
        self.cancel_recycling();
        self.report(Report::ReloadBegan { generation });
        self.add_mold(generation, &plan);
        let replaced = match plan.keeps_of(&self.plan) {
            None | Some(KeptProcesses::Mold) if !matches!(goal, Goal::Canary(_)) => {
                Replaced::Drained
            }
            None | Some(KeptProcesses::Workers | KeptProcesses::Mold) => Replaced::Paused,
        };
        let rollout = Rollout {
            generation,
            goal,
            surge: match goal {
                Goal::Serve => plan.surge.filter(|k| *k > 0),
                Goal::Stage | Goal::Canary(_) | Goal::Return { .. } => None,
            },
            plan,
            tokens,
            target,
            bounds,
            done: 0,
            batch: Batch::Booting,
            room: Room::Asked,
            at_once: None,
            replaced,
            committed: false,
        };
        self.reload = Reload::Rolling(Box::new(rollout));
        self.ask_room();
        if fault!(self, DrainOldAtRolloutStart) {
            for old in self.incarnations(|w| w.who.generation != generation) {
                self.dismiss(old);
            }
        }
    }

    pub(super) fn advance_rollout(&mut self) {
        while self.step_rollout() == RolloutStep::Again {}
    }

    fn step_rollout(&mut self) -> RolloutStep {
        let Some(rollout) = self.reload.rollout() else {
            return RolloutStep::Wait;
        };
        match rollout.batch {
            Batch::Held { .. } => {
                self.boot_batch();
                RolloutStep::Wait
            }
            Batch::Booting => match rollout.goal {
                _ if rollout.committed => self.complete_rollout(),
                Goal::Canary(trial) if rollout.done >= rollout.slots_of(trial) => {
                    self.hold_canary(trial)
                }
                Goal::Serve if rollout.done >= rollout.target => self.complete_rollout(),
                _ => self.boot_next(),
            },
            Batch::Switching { end, until, doomed } => self.finish_switch(end, until, doomed),
        }
    }

    fn boot_next(&mut self) -> RolloutStep {
        match self.boot_batch() {
            None => RolloutStep::Wait,
            Some(end) => self.end_batch(end),
        }
    }

    /// Boots missing workers of the next slots; returns the end of these slots when each of them has a ready worker.
    fn boot_batch(&mut self) -> Option<u32> {
        let rollout = self.reload.rollout()?;
        let Rollout {
            generation,
            done,
            target,
            room: Room::For { slots },
            ..
        } = *rollout
        else {
            return None;
        };
        let returns = matches!(rollout.goal, Goal::Return { .. });
        let forks = self.can_fork(generation);
        let holds_memory = self.takes_back();
        // Returning workers need no mold.
        if !forks && done < target && !returns {
            return None;
        }
        let surge = rollout.surge.filter(|_| !fault!(self, IgnoreSurge));
        let wished = match rollout.goal {
            Goal::Serve | Goal::Stage => target.min(done.saturating_add(surge.unwrap_or(u32::MAX))),
            Goal::Canary(trial) => rollout.slots_of(trial).max(done),
            Goal::Return { slots, .. } => slots.min(target),
        };
        let end = wished.min(done.saturating_add(slots.max(1)));
        let left = match rollout.goal {
            Goal::Return { missing, .. } => {
                missing == Missing::Left || fault!(self, KeptMoldReturnsEmpty)
            }
            Goal::Serve | Goal::Stage | Goal::Canary(_) => false,
        };
        let (limit, boot_timeout) = (rollout.plan.boots_at_once(), rollout.plan.boot_timeout);
        let mut booting = self
            .workers
            .values()
            .filter(|w| w.is_booting() && w.who.generation == generation)
            .count();
        if end < wished {
            self.report_limited(slots);
        }
        let mut standby = 0;
        for slot in (done..end).map(Slot) {
            match self.occupant(slot, generation).map(|w| w.life) {
                Some(WorkerLife::Standby | WorkerLife::Paused) => standby += 1,
                // A slot that was added since.
                Some(WorkerLife::Serving) if returns => standby += 1,
                None if left => standby += 1,
                Some(_) => {}
                None if holds_memory => break,
                None if forks && (booting < limit || fault!(self, TooManyBoots)) => {
                    booting += 1;
                    self.spawn(slot, generation, boot_timeout);
                }
                None => break,
            }
        }
        let enough = if fault!(self, GoBeforeOthersAreReady) {
            1
        } else {
            end - done
        };
        (standby >= enough).then_some(end)
    }

    fn end_batch(&mut self, end: u32) -> RolloutStep {
        match self.reload.rollout().map(|rollout| rollout.goal) {
            Some(Goal::Stage) if !fault!(self, StageServes) => {
                self.hold();
                RolloutStep::Wait
            }
            Some(_) => {
                self.switch(end);
                RolloutStep::Again
            }
            None => RolloutStep::Wait,
        }
    }

    fn complete_rollout(&mut self) -> RolloutStep {
        // Scaled down until nothing was left to do, the last batch never came: the remaining old workers are surplus.
        self.commit();
        if let Some(Goal::Return { from, why, .. }) = self.reload.goal() {
            return self.end_return(from, why);
        }
        let Reload::Rolling(rollout) = std::mem::replace(&mut self.reload, Reload::Idle) else {
            return RolloutStep::Wait;
        };
        let Rollout {
            generation, tokens, ..
        } = *rollout;
        self.report(Report::Reloaded {
            generation,
            workers: self.target,
        });
        for token in tokens {
            self.reply(token, Answer::Reloaded { generation });
        }
        self.act(Action::Notify(ServiceState::Ready));
        RolloutStep::Wait
    }

    /// A worker of the new generation failed. Before the switch: back to the old one. During it: first completes the
    /// switch, for the old workers of this batch are draining already.
    pub(super) fn fail_rollout(&mut self, why: ReloadFailure) {
        let Some(rollout) = self.reload.rollout_mut() else {
            return;
        };
        if let Batch::Switching { doomed, .. } = &mut rollout.batch {
            doomed.get_or_insert(why);
            return;
        }
        if fault!(self, IgnoreFailureInRollout) {
            return;
        }
        if let Goal::Return { missing, .. } = &mut rollout.goal
            && (*missing != Missing::Needed || rollout.done > 0)
        {
            (*missing, rollout.room) = (Missing::Left, Room::For { slots: u32::MAX });
            return;
        }
        if rollout.replaced == Replaced::Paused && rollout.done > 0 {
            self.take_back(why);
            return;
        }
        let (generation, done) = (rollout.generation, rollout.done);
        for new in self.incarnations(|w| w.who.generation == generation && w.who.slot >= Slot(done))
        {
            if !fault!(self, LeaveFailedGenerationRunning) {
                self.dismiss(new);
            }
        }
        self.end_reload_badly(why);
    }
}
