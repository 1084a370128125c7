//! A generation that is held beside the one that serves: staged by an operator, and promoted or discarded by one.
//!
//! It is held as a whole or not at all: where one of its workers ends, hangs or is killed, it is removed, as in any rollout
//! before the switch. So what is promoted is what was looked at.

use super::mutation::fault;
use super::rollout::{Batch, Goal};
use super::{Action, Answer, Refusal, ReloadFailure, Report, ServiceState, Supervisor, Token};

impl Refusal {
    /// Something is staged, or is about to be.
    pub(super) fn is_for_a_stage(self) -> bool {
        match self {
            Self::Staging { .. } | Self::Staged { .. } => true,
            Self::Reloading { .. } | Self::NothingStaged => false,
        }
    }
}

impl Supervisor {
    pub(super) fn ask_stage(&mut self, token: Token) {
        match self.rollout_in_progress() {
            Some(refusal) => self.reply(token, Answer::Refused(refusal)),
            None => self.queue(Goal::Stage, Some(token)),
        }
    }

    /// Everybody is ready.
    pub(super) fn hold(&mut self) {
        let Some(rollout) = self.reload.rollout_mut() else {
            return;
        };
        rollout.batch = Batch::Held;
        let (generation, workers) = (rollout.generation, rollout.target);
        let tokens = std::mem::take(&mut rollout.tokens);
        self.report(Report::Staged {
            generation,
            workers,
        });
        for token in tokens {
            self.reply(
                token,
                Answer::Staged {
                    generation,
                    workers,
                },
            );
        }
        self.act(Action::Notify(ServiceState::Ready));
    }

    /// From here on it is a reload whose workers are ready.
    pub(super) fn promote(&mut self, token: Token) {
        let held = |batch: &Batch| *batch == Batch::Held;
        let refusal = self.rollout_in_progress().unwrap_or(Refusal::NothingStaged);
        let rollout = self.reload.rollout_mut();
        let Some(rollout) = rollout.filter(|rollout| held(&rollout.batch)) else {
            self.reply(token, Answer::Refused(refusal));
            return;
        };
        (rollout.goal, rollout.batch) = (Goal::Serve, Batch::Booting);
        rollout.tokens.push(token);
        let generation = rollout.generation;
        self.report(Report::PromotionBegan { generation });
        self.act(Action::Notify(ServiceState::Reloading));
        if fault!(self, PromoteForgotten)
            && let Some(rollout) = self.reload.rollout_mut()
        {
            rollout.batch = Batch::Held;
        }
    }

    pub(super) fn discard(&mut self, token: Token) {
        let generation = self.reload.generation();
        match (self.rollout_in_progress(), generation) {
            (Some(Refusal::Staging { .. } | Refusal::Staged { .. }), Some(generation)) => {
                if self.reload.rollout().is_some() {
                    self.fail_rollout(ReloadFailure::Discarded);
                } else {
                    self.end_reload_badly(ReloadFailure::Discarded);
                }
                self.reply(token, Answer::Discarded { generation });
            }
            (refusal, _) => {
                let refusal = refusal.unwrap_or(Refusal::NothingStaged);
                self.reply(token, Answer::Refused(refusal));
            }
        }
    }
}
