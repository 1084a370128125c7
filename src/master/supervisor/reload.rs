//! A reload from the wish to the rollout: queued, the configuration read again, begun, ended. The rollout itself is next door.

use super::mutation::fault;
use super::rollout::Rollout;
use super::worker::{Life, Worker};
use super::{
    Action, Answer, ConfigResult, Generation, Moment, Phase, ReloadFailure, Report, ServiceState,
    Supervisor, Token,
};

#[derive(Debug)]
pub(super) enum Reload {
    Idle,
    /// The shell reads the configuration.
    Reading {
        generation: Generation,
        tokens: Vec<Token>,
        until: Moment,
    },
    Rolling(Box<Rollout>),
}

impl Reload {
    /// The generation that it would bring.
    pub(super) fn generation(&self) -> Option<Generation> {
        match self {
            Self::Idle => None,
            Self::Reading { generation, .. } => Some(*generation),
            Self::Rolling(rollout) => Some(rollout.generation),
        }
    }

    pub(super) fn rollout(&self) -> Option<&Rollout> {
        match self {
            Self::Rolling(rollout) => Some(rollout),
            Self::Idle | Self::Reading { .. } => None,
        }
    }

    pub(super) fn rollout_mut(&mut self) -> Option<&mut Rollout> {
        match self {
            Self::Rolling(rollout) => Some(rollout),
            Self::Idle | Self::Reading { .. } => None,
        }
    }
}

impl Supervisor {
    /// Any number of wishes before a reload begins are one reload; one that is running may have read the old configuration.
    pub(super) fn ask_reload(&mut self, token: Option<Token>) {
        if self.queued.is_none() && !self.may_reload() {
            self.report(Report::ReloadQueued);
        }
        if fault!(self, ForgetQueuedReload) && !self.may_reload() {
            return;
        }
        self.queued.get_or_insert_default().extend(token);
    }

    /// Not during the first boot, not during another one, and not while more than one generation's worth of workers is
    /// still leaving: reloads in a row must not pile up processes (three per slot at the most).
    fn may_reload(&self) -> bool {
        let leaving = |w: &&Worker| !w.stays() && w.life != Life::Killed;
        self.phase == Phase::Running
            && matches!(self.reload, Reload::Idle)
            && self.workers.values().filter(leaving).count() <= self.target as usize
    }

    pub(super) fn begin_queued_reload(&mut self) {
        if self.queued.is_none() || !self.may_reload() {
            return;
        }
        let Some(tokens) = self.queued.take() else {
            return;
        };
        self.last_generation = Generation(self.last_generation.0 + 1);
        let generation = self.last_generation;
        self.known.insert(generation);
        let until = self.now() + self.plan.boot_timeout;
        self.reload = Reload::Reading {
            generation,
            tokens,
            until,
        };
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
        let Reload::Reading {
            generation, tokens, ..
        } = std::mem::replace(&mut self.reload, Reload::Idle)
        else {
            return;
        };
        self.end_reload_badly(generation, tokens, ReloadFailure::BadConfig, 0);
    }

    pub(super) fn end_reload_badly(
        &mut self,
        generation: Generation,
        tokens: Vec<Token>,
        why: ReloadFailure,
        replaced: u32,
    ) {
        self.report(Report::ReloadFailed {
            generation,
            why,
            replaced,
            of: self.target,
        });
        for token in tokens {
            if !fault!(self, ForgetReply) {
                self.reply(token, Answer::ReloadFailed { generation, why });
            }
        }
        if self.keeps_up() {
            self.act(Action::Notify(ServiceState::Ready));
        }
    }

    /// The server stops: whoever waits for a reload is told so.
    pub(super) fn abandon_reload(&mut self) {
        self.abandon_running_reload();
        for token in self.queued.take().unwrap_or_default() {
            self.reply(token, Answer::ServerStopping);
        }
    }

    /// Its workers are left to whoever calls this.
    pub(super) fn abandon_running_reload(&mut self) {
        match std::mem::replace(&mut self.reload, Reload::Idle) {
            Reload::Idle => {}
            Reload::Reading {
                generation, tokens, ..
            } => {
                self.end_reload_badly(generation, tokens, ReloadFailure::Abandoned, 0);
            }
            Reload::Rolling(rollout) => {
                let Rollout {
                    generation,
                    tokens,
                    done,
                    ..
                } = *rollout;
                self.end_reload_badly(generation, tokens, ReloadFailure::Abandoned, done);
            }
        }
    }
}
