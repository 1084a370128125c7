//! Shutdown: the delay, the drain, the fast stop, the failed first boot; and the exit when no worker is left.

use std::time::Duration;

use super::mutation::fault;
use super::reload_state::Rollout;
use super::steps::FAST;
use super::worker::{Worker, WorkerLife};
use super::{
    Action, Answer, BootFailure, BootPhase, DrainCause, Exit, Listeners, MasterPhase, Report,
    ServiceState, Signal, StopMode, Supervisor, Who,
};

/// A failed first boot takes at most a second: the other workers get half of it.
const FAILED_BOOT: Duration = Duration::from_millis(500);
/// A worker could not start (gunicorn's code).
const WORKER_BOOT_ERROR: u8 = 3;
/// The app could not be loaded (gunicorn's code).
const APP_LOAD_ERROR: u8 = 4;
/// As for settings that are found invalid before a worker is forked.
const WRONG_SETTINGS: u8 = 1;

impl Supervisor {
    /// The first TERM is graceful, a second one makes it fast; during the shutdown delay it only ends the delay.
    pub(super) fn take_term(&mut self) {
        if matches!(self.phase, MasterPhase::Delayed { .. }) && !fault!(self, SecondTermIgnored) {
            self.begin_drain();
        } else if self.keeps_up() {
            self.stop(StopMode::Graceful);
        } else if !fault!(self, SecondTermIgnored) {
            self.stop(StopMode::Fast);
        }
    }

    /// From any phase; never back to a gentler mode.
    pub(super) fn stop(&mut self, mode: StopMode) {
        match (self.phase, mode) {
            (MasterPhase::Preparing(_), _) => self.stop_preparation(mode, Signal::Term),
            (MasterPhase::FirstBoot | MasterPhase::Running, StopMode::Graceful) => {
                self.stop_gracefully()
            }
            (
                MasterPhase::Stopping {
                    mode: StopMode::Fast,
                    ..
                }
                | MasterPhase::Gone,
                StopMode::Fast,
            )
            | (
                MasterPhase::Delayed { .. } | MasterPhase::Stopping { .. } | MasterPhase::Gone,
                StopMode::Graceful,
            ) => {}
            // A second stop does not wait for the last hook.
            (MasterPhase::Closing { code, .. }, _) => self.exit(code),
            (_, StopMode::Fast) => self.stop_at_once(FAST, 0),
        }
    }

    fn stop_gracefully(&mut self) {
        if fault!(self, TermWaitsForRollout) && self.reload.rollout().is_some() {
            return;
        }
        // In the middle of a switch the old workers have left the listeners already: the new ones serve the queue.
        if self.reload.rollout().is_some_and(Rollout::is_switching) {
            self.go_all();
        }
        let until = self.now() + self.plan.shutdown_delay;
        self.phase = MasterPhase::Delayed { until };
        self.report(Report::Stopping {
            mode: StopMode::Graceful,
        });
        self.abandon();
        for idle in self.incarnations(|w| w.is_booting() || w.life == WorkerLife::Standby) {
            self.dismiss(idle);
        }
        if self.plan.shutdown_delay.is_zero() {
            self.begin_drain();
        } else {
            self.report(Report::ShutdownDelayed {
                by: self.plan.shutdown_delay,
            });
        }
    }

    pub(super) fn begin_drain(&mut self) {
        let graceful = self.plan.graceful_timeout;
        self.phase = MasterPhase::Stopping {
            mode: StopMode::Graceful,
            code: 0,
            by: self.now() + graceful,
        };
        // First the master, then the workers: the last process to close a listener empties its accept queue, and that
        // must be a worker.
        self.close_listeners();
        let now = self.now();
        let serving: Vec<_> = self
            .workers
            .values()
            .filter_map(|w| match w.life {
                WorkerLife::Serving | WorkerLife::Paused => Some((w.who.incarnation, graceful)),
                // It drains because it was replaced, and keeps idle connections longer than a stop should take.
                WorkerLife::Draining { fast_at } => {
                    Some((w.who.incarnation, fast_at.since(now).min(graceful)))
                }
                WorkerLife::Booting { .. }
                | WorkerLife::Standby
                | WorkerLife::Hung { .. }
                | WorkerLife::Aborting { .. }
                | WorkerLife::Failed { .. }
                | WorkerLife::Terminated { .. }
                | WorkerLife::Stopping { .. }
                | WorkerLife::Killed => None,
            })
            .collect();
        for (incarnation, graceful) in serving {
            self.drain(incarnation, DrainCause::Shutdown, graceful);
        }
    }

    fn stop_at_once(&mut self, limit: Duration, code: u8) {
        let begins = self.keeps_up();
        let by = match self.phase {
            MasterPhase::Stopping { by, .. } => by,
            _ => self.now() + self.plan.graceful_timeout,
        };
        self.phase = MasterPhase::Stopping {
            mode: StopMode::Fast,
            code,
            by,
        };
        self.report(Report::Stopping {
            mode: StopMode::Fast,
        });
        if begins {
            self.abandon();
        }
        self.close_listeners();
        let latest = self.now() + limit;
        for incarnation in self.incarnations(|_| true) {
            match self.workers.get(incarnation).map(|w| w.life) {
                Some(WorkerLife::Booting { .. }) => self.terminate(incarnation, limit),
                Some(
                    WorkerLife::Standby
                    | WorkerLife::Serving
                    | WorkerLife::Paused
                    | WorkerLife::Draining { .. },
                ) => {
                    self.stop_fast(incarnation, limit);
                }
                Some(
                    WorkerLife::Hung { .. }
                    | WorkerLife::Aborting { .. }
                    | WorkerLife::Failed { .. }
                    | WorkerLife::Terminated { .. }
                    | WorkerLife::Stopping { .. }
                    | WorkerLife::Killed,
                )
                | None => self.shorten(incarnation, latest),
            }
        }
    }

    /// A partial first boot never serves: a clear exit with the traceback is better than a degraded server.
    pub(super) fn fail_first_boot(&mut self, worker: Who, why: BootFailure) {
        let code = self.boot_error_code(why);
        self.report(Report::FirstBootFailed { worker, why, code });
        self.give_up_first_boot(code);
    }

    pub(super) fn boot_error_code(&self, why: BootFailure) -> u8 {
        match why {
            BootFailure::Reported(BootPhase::Load)
            | BootFailure::Exited(Exit::Code(APP_LOAD_ERROR))
                if !fault!(self, WrongExitCode) =>
            {
                APP_LOAD_ERROR
            }
            BootFailure::Reported(BootPhase::Settings) => WRONG_SETTINGS,
            BootFailure::Reported(_)
            | BootFailure::Exited(_)
            | BootFailure::TimedOut
            | BootFailure::NotSpawned => WORKER_BOOT_ERROR,
        }
    }

    pub(super) fn give_up_first_boot(&mut self, code: u8) {
        let patience = if fault!(self, FirstBootFailureIsPatient) {
            FAST
        } else {
            FAILED_BOOT
        };
        self.stop_at_once(patience, code);
    }

    /// Notifies clients that wait for something that will not happen any more.
    pub(super) fn abandon(&mut self) {
        self.act(Action::Notify(ServiceState::Stopping));
        self.abandon_reload();
        self.retirees.clear();
        self.previous = None;
        self.abandon_companions();
        let waiting: Vec<_> = self
            .places
            .values_mut()
            .flat_map(|place| std::mem::take(&mut place.waiting))
            .collect();
        for token in waiting {
            self.reply(token, Answer::ServerStopping);
        }
    }

    pub(super) fn close_listeners(&mut self) {
        if self.listeners == Listeners::Open {
            self.listeners = Listeners::Closed;
            if !fault!(self, ListenersLeftOpen) {
                self.act(Action::CloseListeners);
            }
        }
    }

    /// No worker is left: those that were not told yet have nothing to wait for.
    fn await_companions(&mut self) {
        if matches!(self.phase, MasterPhase::Delayed { .. }) {
            self.begin_drain();
            self.keep_companions();
        }
    }

    pub(super) fn leave_when_done(&mut self) {
        let (code, by) = match self.phase {
            MasterPhase::Preparing(_)
            | MasterPhase::FirstBoot
            | MasterPhase::Running
            | MasterPhase::Closing { .. }
            | MasterPhase::Gone => return,
            MasterPhase::Delayed { .. } => (0, self.now() + self.plan.graceful_timeout),
            MasterPhase::Stopping { code, by, .. } => (code, by),
        };
        let stays = |w: &Worker| !fault!(self, ExitWhileDraining) || w.stays();
        if self.workers.values().any(stays) {
            return;
        }
        if self.has_companions() && !fault!(self, ExitBeforeCompanions) {
            self.await_companions();
            return;
        }
        self.close_listeners();
        self.close(code, by);
    }
}
