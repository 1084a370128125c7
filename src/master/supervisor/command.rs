//! Commands of operators, by signal or by the control socket.

use super::mutation::fault;
use super::{
    Action, Answer, Bounds, Command, MasterPhase, ReloadFailure, Report, Signal, StopMode,
    Supervisor, Token, Winch,
};

impl Supervisor {
    pub(super) fn take_signal(&mut self, signal: Signal) {
        match signal {
            Signal::Hup if self.keeps_up() => self.ask_reload(None),
            Signal::Hup => {}
            Signal::Term => self.take_term(),
            Signal::Int | Signal::Quit if matches!(self.phase, MasterPhase::Preparing(_)) => {
                self.stop_preparation(StopMode::Fast, signal);
            }
            Signal::Int | Signal::Quit => self.stop(StopMode::Fast),
            Signal::Ttin => self.scale_by(1),
            Signal::Ttou => self.scale_by(-1),
            Signal::Usr1 => self.act(Action::ReopenLogs),
            Signal::Winch if self.plan.winch == Winch::RetiresWorkers && self.is_up() => {
                // A generation that never became ready must not count as reloaded.
                self.end_reload_badly(ReloadFailure::Abandoned);
                self.resize(0, 0);
            }
            Signal::Winch => self.report(Report::SignalIgnored),
        }
    }

    pub(super) fn take_command(&mut self, token: Token, command: Command) {
        match command {
            Command::Stop(mode) => {
                self.reply(token, Answer::Stopping);
                self.stop(mode);
            }
            _ if !self.keeps_up() => self.reply(token, Answer::ServerStopping),
            Command::Reload => self.ask_reload(Some(token)),
            Command::Scale(workers) => self.scale_to(token, workers),
            Command::ScaleBetween(bounds) => self.scale_between(token, bounds),
            Command::RestartWorker(slot) => self.restart_slot(token, slot),
            Command::RestartCompanion(companion) => self.restart_companion(token, companion),
            Command::Stage => self.ask_stage(token),
            Command::Promote => self.promote(token),
            Command::Discard => self.discard(token),
            Command::Canary(trial) => self.ask_canary(token, trial),
            Command::Rollback => self.roll_back(token),
        }
    }

    /// From here on the number is fixed.
    fn scale_to(&mut self, token: Token, workers: u32) {
        let most = self.plan.most_workers;
        let answer = match workers {
            0 => Answer::TooFew,
            n if n > most => Answer::TooMany { most },
            to => {
                let from = self.target;
                self.bound(|_| None);
                self.resize(to, to);
                Answer::Scaled { from, to }
            }
        };
        self.reply(token, answer);
    }

    fn scale_between(&mut self, token: Token, bounds: Bounds) {
        let ceiling = self.plan.most_workers;
        let answer = match bounds {
            _ if self.plan.scaling.is_none() => Answer::NotScaling,
            Bounds { least: 0, .. } => Answer::TooFew,
            Bounds { most, .. } if most > ceiling => Answer::TooMany { most: ceiling },
            bounds => {
                self.bound(|_| Some(bounds));
                let coming = self.coming_target();
                self.resize(bounds.clamp(self.target), bounds.clamp(coming));
                let workers = self.target;
                Answer::ScaledBetween { bounds, workers }
            }
        };
        self.reply(token, answer);
    }

    /// During a rollout both generations are resized: the one that remains has one worker more, or less. A range moves as a
    /// whole.
    fn scale_by(&mut self, step: i32) {
        if !self.keeps_up() {
            return;
        }
        let fewest = if fault!(self, ScaleBelowOne) { 0 } else { 1 };
        // Only WINCH sets it to 0; fewer than one worker cannot be requested.
        let most = self.plan.most_workers;
        let moved = |n: u32| n.saturating_add_signed(step).clamp(fewest.min(n), most);
        if step > 0 && self.target >= most {
            self.report(Report::TooManyWorkers { most });
        }
        let (serving, coming) = (moved(self.target), moved(self.coming_target()));
        if self.target > 0 {
            self.bound(|bounds| Some(bounds?.moved(step, most)));
        }
        // After WINCH there is none, and the first is not the only one.
        let within = |bounds: Option<Bounds>, n: u32| match bounds {
            Some(bounds) if n > 0 => bounds.clamp(n),
            Some(_) | None => n,
        };
        let of_rollout = self.reload.rollout();
        let coming_bounds = of_rollout.map_or(self.scaling.bounds, |rollout| rollout.bounds);
        self.resize(
            within(self.scaling.bounds, serving),
            within(coming_bounds, coming),
        );
    }

    fn coming_target(&self) -> u32 {
        let rollout = self.reload.rollout();
        rollout.map_or(self.target, |rollout| rollout.target)
    }

    /// Of the generation that serves, and of the one that comes.
    fn bound(&mut self, bounds: impl Fn(Option<Bounds>) -> Option<Bounds>) {
        self.scaling.bounds = bounds(self.scaling.bounds);
        self.scaling.rest();
        if let Some(rollout) = self.reload.rollout_mut() {
            rollout.bounds = bounds(rollout.bounds);
        }
    }

    /// Changes the numbers; the slots follow when the supervisor reconciles.
    fn resize(&mut self, serving: u32, coming: u32) {
        let from = self.target;
        let mut serving = serving;
        if let Some(rollout) = self.reload.rollout_mut() {
            rollout.target = coming;
            // Slots that already run the new generation are counted by its number.
            serving = serving.max(coming.min(rollout.switched()));
        }
        self.target = serving;
        if from != serving {
            self.report(Report::Scaled { from, to: serving });
        }
    }
}
