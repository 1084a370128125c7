//! Replacing one generation by another: boot a batch beside the old workers, switch to it (`switch.rs`), next batch.
//!
//! Without a surge there is one batch, all slots; then the whole is a transaction. With `surge` K the batches are K
//! slots wide: a failure in the first one leaves nothing behind, a later one stops the rollout where it is (the slots
//! already replaced keep the new generation, because without a mold the code of the old one may be gone from the
//! disk).

use serde::{Deserialize, Serialize};

use super::memory::Room;
use super::mutation::fault;
use super::reload::Reload;
use super::worker::WorkerLife;
use super::{
    Action, Answer, Bounds, Generation, Moment, Plan, ReloadFailure, Report, ServiceState, Slot,
    Supervisor, Token, Trial, Who,
};

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Rollout {
    pub(super) generation: Generation,
    pub(super) goal: Goal,
    pub(super) plan: Plan,
    pub(super) tokens: Vec<Token>,
    /// Slots that are replaced at a time; `None`: all at once.
    pub(super) surge: Option<u32>,
    /// Number of slots of the new generation.
    pub(super) target: u32,
    /// Between which the load decides, once it serves.
    pub(super) bounds: Option<Bounds>,
    /// Slots below this one run the new generation.
    pub(super) done: u32,
    pub(super) batch: Batch,
    /// For the batch that boots.
    pub(super) room: Room,
    /// How many slots at a time the memory allows; it was reported.
    pub(super) at_once: Option<u32>,
    pub(super) replaced: Replaced,
    pub(super) committed: bool,
}

/// What happens to workers whose slots the new generation takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Replaced {
    Drained,
    /// The new generation may be taken back.
    Paused,
}

/// The intended result of a rollout.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Goal {
    /// The new generation serves.
    Serve,
    /// It is ready beside the old one, and an operator decides.
    Stage,
    /// Some of its slots serve, and an operator or the comparison decides.
    Canary(Trial),
    /// A generation whose workers are paused takes its first slots back from another one.
    Return {
        from: Generation,
        slots: u32,
        why: ReloadFailure,
        missing: Missing,
    },
}

/// What happens about workers that exited while they were paused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Missing {
    /// Replacements boot first: capacity does not fall.
    Booted,
    /// The replacements do not boot either: their slots are filled afterwards.
    Left,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Batch {
    /// New workers boot, and wait for each other. The rollout can still be undone.
    Booting,
    /// All were ready: as `Booting`, but an operator decides.
    Held { until: Option<Moment> },
    /// The old workers of the slots below `end` were ordered to drain. The rollout can no longer be undone.
    Switching {
        end: u32,
        until: Moment,
        doomed: Option<ReloadFailure>,
    },
}

/// Whether the rollout can continue at once.
#[derive(PartialEq, Eq)]
pub(super) enum RolloutStep {
    Again,
    Wait,
}

impl Rollout {
    pub(super) fn is_switching(&self) -> bool {
        matches!(self.batch, Batch::Switching { .. })
    }

    /// Number of slots of a canary.
    pub(super) fn slots_of(&self, trial: Trial) -> u32 {
        trial.portion.of(self.target)
    }

    /// Whether a worker that becomes ready in that slot waits for the others.
    pub(super) fn awaits(&self, slot: Slot) -> bool {
        let end = match self.goal {
            Goal::Return { slots, .. } => slots,
            Goal::Serve | Goal::Stage | Goal::Canary(_) => u32::MAX,
        };
        (self.done..end).contains(&slot.0)
    }

    /// Whether a worker in that slot, of another generation than the coming one, goes when the slots below `end` change
    /// hands. In one batch all of them go, also in slots that the new generation does not have; in several, surplus
    /// workers leave when they can be spared. A generation that returns leaves the slots alone that were never taken
    /// from it: after a rollout that stopped half way they may belong to a third one.
    pub(super) fn replaces(&self, who: Who, end: u32) -> bool {
        let in_batch = (self.done..end).contains(&who.slot.0);
        match self.goal {
            Goal::Serve | Goal::Stage => {
                let is_last = self.committed || end >= self.target;
                in_batch || (self.done == 0 && is_last)
            }
            Goal::Canary(_) => in_batch,
            Goal::Return { from, .. } => in_batch || who.generation == from,
        }
    }

    /// Slots below this one belong to the new generation, even if its workers were not ordered to go yet.
    pub(super) fn switched(&self) -> u32 {
        match self.batch {
            Batch::Booting | Batch::Held { .. } => self.done,
            Batch::Switching { end, .. } => end,
        }
    }
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
        let replaced = if plan.rollback_window.is_zero() && !matches!(goal, Goal::Canary(_)) {
            Replaced::Drained
        } else {
            Replaced::Paused
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
        let left = matches!(
            rollout.goal,
            Goal::Return {
                missing: Missing::Left,
                ..
            }
        );
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
        if let Goal::Return { missing, .. } = &mut rollout.goal {
            *missing = Missing::Left;
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
