//! Molds: the process of a generation that its workers are forked from. When one is started, how long it may boot,
//! and the consequences of its exit. A generation whose plan does not ask for one has none, and its workers are
//! forked from the master.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::mutation::fault;
use super::pacing::{Pacing, is_kill};
use super::refork_state::Refork;
use super::slot::{BootCondition, Proven};
use super::steps::FAST;
use super::{
    Action, BootFailure, ForkedFrom, Generation, Incarnation, MasterPhase, MoldMessage, Moment,
    Plan, ReloadFailure, Report, Retry, SourceWatching, Supervisor,
};

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Mold {
    life: MoldLife,
    pacing: Pacing,
    proven: Proven,
    awaits: BootCondition,
    /// `--refork-after`
    #[serde(default)]
    pub(super) refork: Refork,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum MoldLife {
    /// There is no process. One is started when the pause is over.
    Absent,
    Booting {
        started: Moment,
        until: Moment,
    },
    Ready {
        since: Moment,
    },
    /// It reported why it failed, and exits by itself.
    Failed {
        kill_at: Moment,
    },
    Killed,
}

impl Mold {
    pub(super) fn new() -> Self {
        Self {
            life: MoldLife::Absent,
            pacing: Pacing::default(),
            proven: Proven::Never,
            awaits: BootCondition::Nothing,
            refork: Refork::default(),
        }
    }

    fn deadline(&self) -> Option<Moment> {
        match self.life {
            MoldLife::Booting { until, .. } => Some(until),
            MoldLife::Failed { kill_at } => Some(kill_at),
            MoldLife::Absent | MoldLife::Ready { .. } | MoldLife::Killed => None,
        }
    }
}

impl Supervisor {
    /// Adds the mold of a new generation, if its plan asks for one.
    pub(super) fn add_mold(&mut self, generation: Generation, plan: &Plan) {
        if plan.forked_from == ForkedFrom::Mold {
            self.molds.insert(generation, Mold::new());
        }
    }

    /// Whether workers of that generation can be forked.
    pub(super) fn can_fork(&self, generation: Generation) -> bool {
        if fault!(self, MoldIsNotAwaited) {
            return true;
        }
        let mold = self.molds.get(&generation);
        mold.is_none_or(|mold| matches!(mold.life, MoldLife::Ready { .. }))
    }

    /// Whether it can fork workers and call its last hook.
    #[must_use]
    pub fn mold_is_ready(&self, generation: Generation) -> bool {
        let mold = self.molds.get(&generation);
        mold.is_some_and(|mold| matches!(mold.life, MoldLife::Ready { .. }))
    }

    pub(super) fn has_mold(&self, generation: Generation) -> bool {
        self.molds.contains_key(&generation)
    }

    /// Starts the molds that are due.
    pub(super) fn start_molds(&mut self) {
        if !self.keeps_up() || matches!(self.phase, MasterPhase::Preparing(_)) {
            return;
        }
        let now = self.now();
        for generation in self.due_molds(|at| at <= now) {
            let until = now + self.boot_timeout_of(generation);
            if let Some(mold) = self.molds.get_mut(&generation) {
                mold.life = MoldLife::Booting {
                    started: now,
                    until,
                };
                self.act(Action::StartMold { generation });
            }
        }
    }

    /// Generations that need a mold, have none, and whose pause ends at such a time.
    fn due_molds(&self, at: impl Fn(Moment) -> bool) -> Vec<Generation> {
        let absent = self.molds.iter().filter(|(_, mold)| {
            mold.life == MoldLife::Absent
                && (mold.awaits == BootCondition::Nothing || self.phase != MasterPhase::FirstBoot)
                && (at(mold.pacing.not_before) || fault!(self, MoldsAreNotPaced))
        });
        let absent = absent.map(|(generation, _)| *generation);
        absent.filter(|one| self.may_spawn_in(*one)).collect()
    }

    /// Whether slots of that generation will be filled. One whose last workers drain needs no new mold.
    fn may_spawn_in(&self, generation: Generation) -> bool {
        generation == self.generation
            || self
                .reload
                .rollout()
                .is_some_and(|r| r.generation == generation)
            || self.places.values().any(|p| p.generation == generation)
    }

    fn boot_timeout_of(&self, generation: Generation) -> Duration {
        match self.reload.rollout() {
            Some(rollout) if rollout.generation == generation => rollout.plan.boot_timeout,
            _ => self.plan.boot_timeout,
        }
    }

    pub(super) fn take_mold_message(&mut self, generation: Generation, message: MoldMessage) {
        let now = self.now();
        let Some(mold) = self.molds.get_mut(&generation) else {
            return;
        };
        let MoldLife::Booting { started, .. } = mold.life else {
            return;
        };
        match message {
            MoldMessage::Ready => {
                mold.life = MoldLife::Ready { since: now };
                mold.proven = Proven::Once;
                let after = now.since(started);
                // `--reload`: the previous mold could not fork them.
                for (slot, place) in &mut self.places {
                    place.awaits = BootCondition::Nothing;
                    self.vacant.insert(*slot);
                }
                self.report(Report::MoldReady { generation, after });
            }
            MoldMessage::Failed { phase } => {
                mold.life = MoldLife::Failed {
                    kill_at: now + FAST,
                };
                self.mold_failed(generation, BootFailure::Reported(phase));
            }
        }
    }

    /// Its process has exited, or could not be started.
    pub(super) fn take_mold_end(&mut self, generation: Generation, why: BootFailure) {
        let ready = self.mold_is_ready(generation);
        if ready && self.mold_returns(generation, why) {
            return;
        }
        let Some(mold) = self.molds.get_mut(&generation) else {
            return;
        };
        match std::mem::replace(&mut mold.life, MoldLife::Absent) {
            MoldLife::Booting { .. } => self.mold_failed(generation, why),
            MoldLife::Ready { since } => self.mold_died(generation, since, why),
            // Its end was accounted for when it was decided.
            MoldLife::Absent | MoldLife::Failed { .. } | MoldLife::Killed => {}
        }
    }

    pub(super) fn take_forked(&mut self, incarnation: Incarnation) {
        if let Some(worker) = self.workers.get_mut(incarnation) {
            worker.forked = true;
        }
    }

    /// It was asked for a worker and has not forked it within the time limit.
    pub(super) fn mold_hangs(&mut self, generation: Generation) {
        if self.mold_is_ready(generation) && self.mold_returns(generation, BootFailure::TimedOut) {
            return;
        }
        let Some(mold) = self.molds.get_mut(&generation) else {
            return;
        };
        if let MoldLife::Ready { since } = mold.life
            && !fault!(self, HangingMoldIsLeft)
        {
            mold.life = MoldLife::Killed;
            self.act(Action::KillMold { generation });
            self.mold_died(generation, since, BootFailure::TimedOut);
        }
    }

    /// Another process is the mold of that generation, and is ready.
    pub(super) fn renew_mold(&mut self, generation: Generation, refork: Refork) {
        let since = self.now();
        if let Some(mold) = self.molds.get_mut(&generation) {
            (mold.life, mold.refork) = (MoldLife::Ready { since }, refork);
        }
    }

    fn mold_died(&mut self, generation: Generation, since: Moment, why: BootFailure) {
        if !self.keeps_up() {
            return;
        }
        if let Some(mold) = self.molds.get_mut(&generation)
            && matches!(mold.refork, Refork::Settled { .. })
        {
            // The next one imports the app.
            mold.refork = Refork::Untried;
        }
        if self.returns_by_mold() && self.reload.generation() == Some(generation) {
            // Its successor would load the code that is on the disk by now.
            self.fail_rollout(ReloadFailure::Mold { generation, why });
        }
        let retry = self.pace_mold(generation, why, Some(since));
        self.report(Report::MoldDied {
            generation,
            why,
            retry,
        });
    }

    /// It did not become ready.
    fn mold_failed(&mut self, generation: Generation, why: BootFailure) {
        match self.phase {
            MasterPhase::FirstBoot if self.plan.sources == SourceWatching::Watched => {
                if let Some(mold) = self.molds.get_mut(&generation) {
                    mold.awaits = BootCondition::Change;
                }
                let retry = Retry::AtNextChange;
                self.report(Report::MoldFailed {
                    generation,
                    why,
                    retry,
                });
                return;
            }
            MasterPhase::FirstBoot => {
                let code = self.boot_error_code(why);
                self.report(Report::FirstMoldFailed { why, code });
                self.give_up_first_boot(code);
                return;
            }
            MasterPhase::Running => {}
            MasterPhase::Preparing(_)
            | MasterPhase::Delayed { .. }
            | MasterPhase::Stopping { .. }
            | MasterPhase::Closing { .. }
            | MasterPhase::Gone => return,
        }
        let rolled_out = self.reload.generation() == Some(generation);
        let retry = self.pace_mold(generation, why, None);
        if rolled_out {
            self.fail_rollout(ReloadFailure::Mold { generation, why });
        }
        if self.may_spawn_in(generation) {
            self.report(Report::MoldFailed {
                generation,
                why,
                retry,
            });
        }
    }

    fn pace_mold(
        &mut self,
        generation: Generation,
        why: BootFailure,
        since: Option<Moment>,
    ) -> Retry {
        let now = self.now();
        let Some(mold) = self.molds.get_mut(&generation) else {
            return Retry::None;
        };
        let killed = matches!(why, BootFailure::Exited(exit) if is_kill(exit));
        let retry = if killed {
            mold.pacing.killed(now, since)
        } else {
            mold.pacing.failed(now, since)
        };
        if self.may_spawn_in(generation) {
            retry
        } else {
            Retry::None
        }
    }

    /// Enforces deadlines of molds. A stopping server ends them all at its end.
    pub(super) fn enforce_molds(&mut self) {
        if !self.keeps_up() {
            return;
        }
        let now = self.now();
        let due = self.molds.iter();
        let due = due.filter(|(_, mold)| mold.deadline().is_some_and(|at| at <= now));
        for generation in due.map(|(one, _)| *one).collect::<Vec<_>>() {
            let Some(mold) = self.molds.get_mut(&generation) else {
                continue;
            };
            let booted = matches!(mold.life, MoldLife::Booting { .. });
            mold.life = MoldLife::Killed;
            if !fault!(self, LateMoldIsLeft) {
                self.act(Action::KillMold { generation });
            }
            if booted {
                self.mold_failed(generation, BootFailure::TimedOut);
            }
        }
    }

    pub(super) fn mold_deadline(&self) -> Option<Moment> {
        if !self.keeps_up() || matches!(self.phase, MasterPhase::Preparing(_)) {
            return None;
        }
        let now = self.now();
        let lives = self.molds.values().filter_map(Mold::deadline).min();
        let pauses = self.due_molds(|at| at > now).into_iter();
        let pauses = pauses.filter_map(|one| self.molds.get(&one));
        lives
            .into_iter()
            .chain(pauses.map(|mold| mold.pacing.not_before))
            .min()
    }

    /// `--reload`: files have changed before every worker was ready once.
    pub(super) fn boot_molds_anew(&mut self) {
        for generation in self.molds.keys().copied().collect::<Vec<_>>() {
            if let Some(mold) = self.molds.get_mut(&generation) {
                mold.awaits = BootCondition::Nothing;
                if matches!(mold.life, MoldLife::Booting { .. }) {
                    mold.life = MoldLife::Killed;
                    self.act(Action::KillMold { generation });
                }
            }
        }
    }
}
