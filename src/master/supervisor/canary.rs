//! Canaries: a generation that serves in some slots, beside the one that serves in the others, until an operator, its
//! time limit or the comparison decides. The workers that it replaces are paused, and serve again if it is removed.

use std::time::Duration;

use super::evidence::{Evidence, Figures, Regression};
use super::mutation::fault;
use super::reload_state::{Batch, Goal, Replaced};
use super::rollout::RolloutStep;
use super::{
    Action, Answer, Generation, ReloadFailure, Report, RolloutRefusal, ServiceState, Supervisor,
    Token, Trial,
};

/// Duration of a judged canary if none is given.
const JUDGED_FOR: Duration = Duration::from_secs(60);

impl Supervisor {
    pub(super) fn ask_canary(&mut self, token: Token, trial: Trial) {
        let in_progress = self.rollout_in_progress();
        let (all, done) = match self.reload.rollout() {
            Some(rollout) => (rollout.target.min(self.target), rollout.done),
            None => (self.target, 0),
        };
        let slots = trial.portion.of(all);
        let trial = Trial {
            portion: super::Portion::Slots(slots),
            lasts: trial.lasts.or(trial.judged.map(|_| JUDGED_FOR)),
            ..trial
        };
        let refusal = match in_progress {
            None | Some(RolloutRefusal::Staged { .. } | RolloutRefusal::Canary { .. })
                if slots >= all =>
            {
                Some(RolloutRefusal::AllSlots { of: all })
            }
            Some(RolloutRefusal::Canary { .. }) if slots <= done => {
                Some(RolloutRefusal::NotMore { slots: done })
            }
            None | Some(RolloutRefusal::Staged { .. } | RolloutRefusal::Canary { .. }) => None,
            Some(refusal) => Some(refusal),
        };
        if let Some(refusal) = refusal {
            self.refuse(token, refusal);
            return;
        }
        let goal = Goal::Canary(trial);
        let Some(rollout) = self.reload.rollout_mut() else {
            self.queue(goal, Some(token));
            return;
        };
        rollout.replaced = Replaced::Paused;
        rollout.tokens.push(token);
        self.go_on(goal);
    }

    /// All slots of the canary serve.
    pub(super) fn hold_canary(&mut self, trial: Trial) -> RolloutStep {
        let until = trial.lasts.map(|span| self.now() + span);
        let of = self.target;
        let Some(rollout) = self.reload.rollout_mut() else {
            return RolloutStep::Wait;
        };
        rollout.batch = Batch::Held { until };
        let (generation, slots) = (rollout.generation, rollout.done);
        let tokens = match trial.judged {
            None => std::mem::take(&mut rollout.tokens),
            // They wait for the verdict.
            Some(_) => Vec::new(),
        };
        self.report(Report::CanaryServes {
            generation,
            slots,
            of,
        });
        let answer = Answer::CanaryServes {
            generation,
            slots,
            of,
        };
        for token in tokens {
            self.reply(token, answer);
        }
        self.act(Action::Notify(ServiceState::Ready));
        self.ask_comparison();
        RolloutStep::Wait
    }

    fn judged(&self) -> Option<(Generation, u64)> {
        let rollout = self.reload.rollout().filter(|_| self.reload.is_held())?;
        match rollout.goal {
            Goal::Canary(Trial { judged, .. }) => Some((rollout.generation, judged?)),
            Goal::Serve | Goal::Stage | Goal::Return { .. } => None,
        }
    }

    /// Requested once a second while a canary is judged.
    pub(super) fn ask_comparison(&mut self) {
        if let Some((canary, _)) = self.judged() {
            let old = self.generation;
            self.act(Action::CompareGenerations { canary, old });
        }
    }

    pub(super) fn take_comparison(&mut self, canary: Generation, old: &Figures, new: &Figures) {
        let Some((generation, wanted)) = self.judged().filter(|(judged, _)| *judged == canary)
        else {
            return;
        };
        let evidence = Evidence::of(old, new);
        let is_over = self
            .reload
            .rollout()
            .is_some_and(|rollout| rollout.batch == Batch::Held { until: None });
        let requests = new.requests;
        if evidence.finding != Regression::NotWorse && requests >= wanted {
            self.report(Report::CanaryVerdict {
                generation,
                evidence,
            });
            if !fault!(self, VerdictIsIgnored) {
                self.fail_rollout(ReloadFailure::Worse(evidence));
            }
        } else if is_over && requests < wanted {
            self.fail_rollout(ReloadFailure::TooFewRequests { requests, wanted });
        } else if is_over {
            self.report(Report::CanaryVerdict {
                generation,
                evidence,
            });
            self.go_on(Goal::Serve);
        }
    }

    /// The canary's time is over.
    pub(super) fn enforce_trial(&mut self) {
        let now = self.now();
        let judged = self.judged().is_some();
        let Some(rollout) = self.reload.rollout_mut() else {
            return;
        };
        match &mut rollout.batch {
            Batch::Held { until } if until.is_some_and(|at| at <= now) => *until = None,
            Batch::Held { .. } | Batch::Booting | Batch::Switching { .. } => return,
        }
        if judged {
            self.ask_comparison();
        } else if !fault!(self, CanaryForEver) {
            self.fail_rollout(ReloadFailure::TimeOver);
        }
    }
}
