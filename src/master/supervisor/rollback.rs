//! Rollback of a serving generation: workers of the previous one are paused, and take their slots back; or its mold
//! was kept, and forks them.
//!
//! As in a reload the leaving workers stop accepting before the returning ones go, and a returning worker that has
//! exited in the meantime is booted first. If that fails the others do not wait: serving a version that is to be
//! taken back is worse than filling a slot a little later. Of a mold all workers boot first, in as many batches as
//! the memory needs; if the first of them fail, the generation that serves goes on.

use serde::{Deserialize, Serialize};

use super::mutation::fault;
use super::reload_state::{Batch, Goal, Missing, Replaced, Rollout, Room};
use super::rollout::RolloutStep;
use super::worker::{Worker, WorkerLife};
use super::{
    Action, Answer, Bounds, Exit, Generation, KeptProcesses, Moment, Plan, Reload, ReloadFailure,
    Report, Retry, RolloutRefusal, ServiceState, Supervisor, Token,
};

/// The previous generation, kept for a rollback.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Previous {
    pub(super) generation: Generation,
    plan: Plan,
    #[serde(default)]
    pub(super) kept: KeptProcesses,
    pub(super) until: Moment,
}

impl Supervisor {
    /// `ctl rollback`: of a canary, or of the last generation that took over.
    pub(super) fn roll_back(&mut self, token: Token) {
        match self.rollout_in_progress() {
            Some(RolloutRefusal::Canary { .. }) => return self.discard(token),
            Some(refusal @ RolloutRefusal::TakingBack { .. }) => {
                return self.refuse(token, refusal);
            }
            Some(refusal) if self.reload.rollout().is_some_and(Rollout::is_switching) => {
                return self.refuse(token, refusal);
            }
            Some(_) | None => {}
        }
        let Some(previous) = &self.previous else {
            self.refuse(token, RolloutRefusal::NothingKept);
            return;
        };
        let (generation, plan) = (previous.generation, previous.plan.clone());
        let missing = match previous.kept {
            KeptProcesses::Workers => Missing::Booted,
            KeptProcesses::Mold => Missing::Needed,
        };
        // Clients that asked for something newer are notified; it must not be started after the rollback.
        if self.reload.rollout().is_some() {
            self.fail_rollout(ReloadFailure::Discarded);
        } else {
            self.end_reload_badly(ReloadFailure::Discarded);
        }
        if let Some(returning) = self.reload.rollout_mut() {
            // Of a surge that had begun.
            returning.tokens.push(token);
            return;
        }
        let queued = self.queued.take().into_iter();
        let refusal = RolloutRefusal::TakingBack {
            generation: self.generation,
        };
        for waiting in queued.flat_map(|queued| queued.tokens) {
            self.refuse(waiting, refusal);
        }
        let (target, bounds) = self.carried_over(&plan);
        let goal = Goal::Return {
            from: self.generation,
            slots: target,
            why: ReloadFailure::Discarded,
            missing,
        };
        self.begin_return((generation, plan, bounds), target, goal, vec![token]);
    }

    /// Takes back a canary, or a part of a surge.
    pub(super) fn take_back(&mut self, why: ReloadFailure) {
        let Reload::Rolling(rollout) = std::mem::replace(&mut self.reload, Reload::Idle) else {
            return;
        };
        let Rollout {
            generation: from,
            done,
            mut tokens,
            ..
        } = *rollout;
        if why == ReloadFailure::Discarded {
            for token in std::mem::take(&mut tokens) {
                self.reply(
                    token,
                    Answer::StageFailed {
                        generation: from,
                        why,
                    },
                );
            }
        }
        for new in self.incarnations(|w| w.who.generation == from && w.life != WorkerLife::Serving)
        {
            self.dismiss(new);
        }
        let back = (self.generation, self.plan.clone(), self.scaling.bounds);
        let goal = Goal::Return {
            from,
            slots: done.min(self.target),
            why,
            missing: Missing::Booted,
        };
        self.begin_return(back, self.target, goal, tokens);
    }

    fn begin_return(
        &mut self,
        (generation, plan, bounds): (Generation, Plan, Option<Bounds>),
        target: u32,
        goal: Goal,
        tokens: Vec<Token>,
    ) {
        self.cancel_recycling();
        let mut needed = false;
        if let Goal::Return {
            from, why, missing, ..
        } = goal
        {
            needed = missing == Missing::Needed;
            self.report(Report::TakingBack {
                generation: from,
                why,
            });
        }
        self.reload = Reload::Rolling(Box::new(Rollout {
            generation,
            goal,
            plan,
            tokens,
            surge: None,
            target,
            bounds,
            done: 0,
            batch: Batch::Booting,
            room: Room::For { slots: u32::MAX },
            at_once: None,
            replaced: Replaced::Drained,
            committed: false,
        }));
        self.act(Action::Notify(ServiceState::Reloading));
        if needed {
            self.ask_room();
        }
    }

    pub(super) fn end_return(&mut self, from: Generation, why: ReloadFailure) -> RolloutStep {
        let Reload::Rolling(rollout) = std::mem::replace(&mut self.reload, Reload::Idle) else {
            return RolloutStep::Wait;
        };
        let to = rollout.generation;
        self.report(Report::TakenBack {
            generation: from,
            to,
            why,
        });
        let answer = Answer::TakenBack {
            generation: from,
            to,
            why,
        };
        for token in rollout.tokens {
            self.reply(token, answer);
        }
        self.act(Action::Notify(ServiceState::Ready));
        RolloutStep::Wait
    }

    /// A generation returns of which only the mold was kept.
    pub(super) fn returns_by_mold(&self) -> bool {
        let missing = match self.reload.goal() {
            Some(Goal::Return { missing, .. }) => Some(missing),
            _ => None,
        };
        missing == Some(Missing::Needed)
    }

    /// It was paused, and is about to serve.
    pub(super) fn is_returning(&self, worker: &Worker) -> bool {
        self.reload.rollout().is_some_and(|rollout| {
            rollout.is_switching()
                && rollout.generation == worker.who.generation
                && matches!(rollout.goal, Goal::Return { .. })
        })
    }

    /// Another generation has taken over from that one.
    pub(super) fn keep_or_release(&mut self, before: Generation, plan: Plan) {
        let window = self.plan.rollback_window;
        let returns = matches!(self.reload.goal(), Some(Goal::Return { .. }));
        let kept = self.plan.keeps_of(&plan).filter(|kept| {
            let lives = match kept {
                KeptProcesses::Workers => self.has_paused(before),
                KeptProcesses::Mold => self.mold_is_ready(before),
            };
            lives && !returns
        });
        let stays = |g| g == self.generation || g == before && kept == Some(KeptProcesses::Workers);
        let gone = |w: &Worker| w.life == WorkerLife::Paused && !stays(w.who.generation);
        for worker in self.incarnations(gone) {
            self.dismiss(worker);
        }
        let until = self.now() + window;
        self.previous = kept.map(|kept| Previous {
            generation: before,
            plan,
            kept,
            until,
        });
        if let Some(kept) = kept {
            self.report(Report::KeptForRollback {
                generation: before,
                kept,
                window,
            });
        }
    }

    fn has_paused(&self, generation: Generation) -> bool {
        let paused = |w: &Worker| w.life == WorkerLife::Paused && w.who.generation == generation;
        self.workers.values().any(paused)
    }

    pub(super) fn rollback_deadline(&self) -> Option<Moment> {
        let returns = matches!(self.reload.goal(), Some(Goal::Return { .. }));
        let previous = self.previous.as_ref().filter(|_| !returns)?;
        self.keeps_up().then_some(previous.until)
    }

    /// The window is over, or nothing is left of what was kept.
    pub(super) fn enforce_rollback_window(&mut self) {
        let Some(until) = self.rollback_deadline() else {
            return;
        };
        let (now, lives) = (self.now(), |it: &Previous| match it.kept {
            KeptProcesses::Workers => self.has_paused(it.generation),
            KeptProcesses::Mold => {
                self.mold_is_ready(it.generation) || fault!(self, KeptMoldEndsUnseen)
            }
        });
        let is_over = until <= now || !self.previous.as_ref().is_some_and(lives);
        if is_over && let Some(Previous { generation, .. }) = self.previous.take() {
            for worker in self
                .incarnations(|w| w.life == WorkerLife::Paused && w.who.generation == generation)
            {
                if !fault!(self, KeepBeyondWindow) {
                    self.dismiss(worker);
                }
            }
            self.report(Report::KeptNoMore { generation });
        }
    }

    /// A paused worker exited unasked. Another one boots when it is needed.
    pub(super) fn lost_paused(&mut self, worker: &Worker, exit: Exit) {
        self.report(Report::WorkerDied {
            worker: worker.who,
            exit,
            uptime: worker.uptime(self.now()),
            retry: Retry::None,
        });
    }
}
