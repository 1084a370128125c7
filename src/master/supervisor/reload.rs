//! A reload from the request to the rollout: queued, the configuration read again, begun, ended. The rollout itself
//! is in `rollout.rs`.

use super::mutation::fault;
use super::reload_state::{Goal, QueuedRollout, Reload, Rollout};
use super::worker::{Worker, WorkerLife};
use super::{
    Action, Answer, ConfigResult, Generation, MasterPhase, ReloadFailure, Report, RolloutKind,
    RolloutRefusal, ServiceState, Supervisor, Token,
};

impl Supervisor {
    /// All requests before a reload begins are one reload; a running one may have read the old configuration. Beside
    /// a staged generation none is possible.
    pub(super) fn ask_reload(&mut self, token: Option<Token>) {
        let refusal = self.rollout_in_progress().filter(|it| it.is_for_a_stage());
        if let Some(refusal) = refusal.filter(|_| !fault!(self, ReloadBesideStage)) {
            match token {
                Some(token) => self.reply(token, Answer::Refused(refusal)),
                None => self.report(Report::ReloadRefused {
                    generation: self.reload.generation(),
                }),
            }
            return;
        }
        self.queue(Goal::Serve, token);
    }

    pub(super) fn queue(&mut self, goal: Goal, token: Option<Token>) {
        if self.queued.is_none() && !self.may_reload() {
            self.report(Report::ReloadQueued);
        }
        if fault!(self, ForgetQueuedReload) && !self.may_reload() {
            return;
        }
        let none = || QueuedRollout {
            goal,
            tokens: Vec::new(),
        };
        self.queued.get_or_insert_with(none).tokens.extend(token);
    }

    /// The rollout that prevents another one from beginning.
    pub(super) fn rollout_in_progress(&self) -> Option<RolloutRefusal> {
        let queued = self.queued.as_ref().map(|queued| queued.goal);
        let goal = self.reload.goal().or(queued)?;
        Some(match (goal, self.reload.generation()) {
            (Goal::Canary(_), Some(generation)) if self.reload.is_held() => {
                RolloutRefusal::Canary { generation }
            }
            (Goal::Return { from, .. }, _) => RolloutRefusal::TakingBack { generation: from },
            (Goal::Serve, generation) => RolloutRefusal::Reloading { generation },
            (Goal::Stage, Some(generation)) if self.reload.is_held() => {
                RolloutRefusal::Staged { generation }
            }
            (Goal::Stage | Goal::Canary(_), generation) => RolloutRefusal::Staging { generation },
        })
    }

    /// Not during the first boot, not during another one, and not while more than one generation's worth of workers
    /// is still draining: consecutive reloads must not accumulate processes (at most three per slot).
    fn may_reload(&self) -> bool {
        let leaving = |w: &&Worker| !w.stays() && w.life != WorkerLife::Killed;
        self.phase == MasterPhase::Running
            && matches!(self.reload, Reload::Idle)
            && self.workers.values().filter(leaving).count() <= self.target as usize
    }

    pub(super) fn begin_queued_reload(&mut self) {
        if self.queued.is_none() || !self.may_reload() {
            return;
        }
        let Some(QueuedRollout { goal, tokens }) = self.queued.take() else {
            return;
        };
        self.last_generation = Generation(self.last_generation.0 + 1);
        let generation = self.last_generation;
        self.known.insert(generation);
        let until = self.now() + self.plan.boot_timeout;
        let stage = tokens.first().copied().filter(|_| goal != Goal::Serve);
        self.reload = Reload::Reading {
            generation,
            goal,
            tokens,
            until,
        };
        if let Some(token) = stage {
            self.report(Report::StageBegan { generation, token });
        }
        self.act(Action::Notify(ServiceState::Reloading));
        self.act(Action::ReadConfig { generation });
    }

    pub(super) fn take_config(&mut self, read: Generation, result: ConfigResult) {
        if !matches!(self.reload, Reload::Reading { generation, .. } if generation == read) {
            return;
        }
        match result {
            ConfigResult::Good(plan) => self.begin_rollout(*plan),
            ConfigResult::Bad => self.fail_reading(),
        }
    }

    pub(super) fn fail_reading(&mut self) {
        if matches!(self.reload, Reload::Reading { .. }) {
            self.end_reload_badly(ReloadFailure::BadConfig);
        }
    }

    /// The caller handles its workers.
    pub(super) fn end_reload_badly(&mut self, why: ReloadFailure) {
        let (generation, goal, tokens, replaced) =
            match std::mem::replace(&mut self.reload, Reload::Idle) {
                Reload::Idle => return,
                Reload::Reading {
                    generation,
                    goal,
                    tokens,
                    ..
                } => (generation, goal, tokens, 0),
                Reload::Rolling(rollout) => {
                    let Rollout {
                        generation,
                        goal,
                        tokens,
                        done,
                        ..
                    } = *rollout;
                    (generation, goal, tokens, done)
                }
            };
        self.report(match (why, goal) {
            (why, Goal::Return { from, .. }) => Report::NotTakenBack {
                generation: from,
                to: generation,
                why,
            },
            (ReloadFailure::Discarded, _) => Report::Discarded { generation },
            (why, goal) => Report::ReloadFailed {
                generation,
                kind: match goal {
                    Goal::Stage => RolloutKind::Stage,
                    Goal::Canary(_) => RolloutKind::Canary,
                    Goal::Serve | Goal::Return { .. } => RolloutKind::Reload,
                },
                why,
                replaced,
                of: self.target,
            },
        });
        let answer = match goal {
            Goal::Serve => Answer::ReloadFailed { generation, why },
            Goal::Stage | Goal::Canary(_) => Answer::StageFailed { generation, why },
            Goal::Return { from, .. } => Answer::NotTakenBack {
                generation: from,
                why,
            },
        };
        for token in tokens {
            if !fault!(self, ForgetReply) {
                self.reply(token, answer);
            }
        }
        if self.keeps_up() {
            self.act(Action::Notify(ServiceState::Ready));
        }
    }

    /// The server stops: clients that wait for a reload are notified.
    pub(super) fn abandon_reload(&mut self) {
        self.end_reload_badly(ReloadFailure::Abandoned);
        let queued = self.queued.take().into_iter();
        for token in queued.flat_map(|queued| queued.tokens) {
            self.reply(token, Answer::ServerStopping);
        }
    }
}
