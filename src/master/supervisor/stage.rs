//! Stages: a generation that is held beside the serving one, until an operator promotes or discards it.
//!
//! It is held as a whole or not at all: if one of its workers exits, hangs or is killed, it is removed, as in any
//! rollout before the switch. So exactly the inspected generation is promoted.

use super::mutation::fault;
use super::reload_state::{Batch, Goal, Room};
use super::{
    Action, Answer, ReloadFailure, Report, RolloutRefusal, ServiceState, Slot, Supervisor, Token,
};

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

impl Supervisor {
    pub(super) fn ask_stage(&mut self, token: Token) {
        match self.rollout_in_progress() {
            Some(refusal) => self.refuse(token, refusal),
            None => self.queue(Goal::Stage, Some(token)),
        }
    }

    pub(super) fn refuse(&mut self, token: Token, refusal: RolloutRefusal) {
        self.reply(token, Answer::Refused(refusal));
    }

    /// All workers are ready.
    pub(super) fn hold(&mut self) {
        let Some(rollout) = self.reload.rollout_mut() else {
            return;
        };
        rollout.batch = Batch::Held { until: None };
        let (generation, workers) = (rollout.generation, rollout.target);
        let tokens = std::mem::take(&mut rollout.tokens);
        self.report(Report::Staged {
            generation,
            workers,
        });
        let answer = Answer::Staged {
            generation,
            workers,
        };
        for token in tokens {
            self.reply(token, answer);
        }
        self.act(Action::Notify(ServiceState::Ready));
    }

    /// From here on it is a reload whose workers are ready.
    pub(super) fn promote(&mut self, token: Token) {
        let refusal = self.rollout_in_progress();
        if !self.reload.is_held() {
            self.refuse(token, refusal.unwrap_or(RolloutRefusal::NothingStaged));
            return;
        }
        if let Some(rollout) = self.reload.rollout_mut() {
            rollout.tokens.push(token);
        }
        self.go_on(Goal::Serve);
        if fault!(self, PromoteForgotten)
            && let Some(rollout) = self.reload.rollout_mut()
        {
            rollout.batch = Batch::Held { until: None };
        }
    }

    /// The held generation continues, towards that goal.
    pub(super) fn go_on(&mut self, goal: Goal) {
        let Some(rollout) = self.reload.rollout_mut() else {
            return;
        };
        (rollout.goal, rollout.batch) = (goal, Batch::Booting);
        let end = match goal {
            Goal::Canary(trial) => rollout.slots_of(trial),
            Goal::Serve | Goal::Stage | Goal::Return { .. } => rollout.target,
        };
        let (generation, slots) = (rollout.generation, rollout.done..end);
        if goal == Goal::Serve {
            self.report(Report::PromotionBegan { generation });
        }
        self.act(Action::Notify(ServiceState::Reloading));
        let is_whole = slots
            .map(Slot)
            .all(|slot| self.occupant(slot, generation).is_some());
        match self.reload.rollout_mut() {
            Some(rollout) if is_whole => rollout.room = Room::For { slots: u32::MAX },
            Some(_) => self.ask_room(),
            None => {}
        }
    }

    pub(super) fn discard(&mut self, token: Token) {
        let in_progress = self.rollout_in_progress();
        let switches = self.reload.rollout().is_some_and(|it| it.is_switching());
        let generation = self.reload.generation().filter(|_| !switches);
        match (in_progress, generation) {
            (Some(refusal), Some(generation)) if refusal.is_for_a_stage() => {
                if self.reload.rollout().is_some() {
                    self.fail_rollout(ReloadFailure::Discarded);
                } else {
                    self.end_reload_badly(ReloadFailure::Discarded);
                }
                match self.reload.rollout_mut() {
                    // Answered when it is complete.
                    Some(returning) => returning.tokens.push(token),
                    None => self.reply(token, Answer::Discarded { generation }),
                }
            }
            (refusal, _) => self.refuse(token, refusal.unwrap_or(RolloutRefusal::NothingStaged)),
        }
    }
}
