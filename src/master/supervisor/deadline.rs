//! All deadlines: what happens when each passes, and when the next one is due.

use super::clock::PULSE;
use super::mutation::fault;
use super::reload_state::{Batch, Reload};
use super::steps::FAST;
use super::worker::{BootTime, Worker, WorkerLife};
use super::{Action, Incarnation, KillReason, MasterPhase, Moment, Spawning, Supervisor};

impl Supervisor {
    pub(super) fn enforce(&mut self) {
        let now = self.now();
        // Enforcing one can change other workers' states, so each is checked again in its turn.
        for incarnation in self.incarnations(|w| w.deadline().is_some_and(|at| at <= now)) {
            self.enforce_worker(incarnation);
        }
        if let Reload::Reading { until, .. } = self.reload
            && until <= now
        {
            self.fail_reading();
        }
        if let MasterPhase::Delayed { until } = self.phase
            && until <= now
        {
            self.begin_drain();
        }
        self.enforce_molds();
        self.enforce_room();
        self.enforce_trial();
        self.enforce_rollback_window();
        self.enforce_companions();
        self.enforce_closing();
        self.enforce_preparation();
        self.look_at_load();
        self.sample();
    }

    fn enforce_worker(&mut self, incarnation: Incarnation) {
        let now = self.now();
        let Some(worker) = self.workers.get(incarnation) else {
            return;
        };
        if worker.deadline().is_none_or(|at| at > now) {
            return;
        }
        let who = worker.who;
        match worker.life {
            WorkerLife::Booting { .. } if fault!(self, NoBootTimeout) => {
                self.forget_deadline(incarnation)
            }
            // One that the mold has not forked yet has no stacks.
            WorkerLife::Booting {
                time: BootTime::Left,
                ..
            } if worker.forked && !fault!(self, LateBootIsNotLookedAt) => {
                self.dump_boot_stacks(incarnation);
            }
            WorkerLife::Booting { .. } => self.end_late_boot(who),
            WorkerLife::Hung { .. } => self.end_hung(incarnation),
            WorkerLife::Aborting { .. } if fault!(self, NoKillAfterAbort) => {
                self.forget_deadline(incarnation);
            }
            WorkerLife::Aborting { .. } => self.kill(incarnation, KillReason::Hung),
            WorkerLife::Failed { .. }
            | WorkerLife::Terminated { .. }
            | WorkerLife::Stopping { .. } => {
                if fault!(self, NoKillAfterStop) {
                    self.forget_deadline(incarnation);
                } else {
                    self.kill(incarnation, KillReason::Overdue);
                }
            }
            WorkerLife::Draining { .. } if fault!(self, NoKillAfterDrain) => {
                self.forget_deadline(incarnation);
            }
            WorkerLife::Draining { .. } => self.stop_fast(incarnation, FAST),
            WorkerLife::Standby | WorkerLife::Serving | WorkerLife::Paused | WorkerLife::Killed => {
            }
        }
    }

    /// For faults only: removes a worker's deadline.
    fn forget_deadline(&mut self, incarnation: Incarnation) {
        if let Some(worker) = self.workers.get_mut(incarnation) {
            worker.life = WorkerLife::Killed;
            self.vacant.insert(worker.who.slot);
        }
    }

    /// Once a second the heartbeats of ready workers are sampled.
    fn sample(&mut self) {
        let now = self.now();
        if self.pulse_at > now {
            return;
        }
        self.pulse_at = now + PULSE;
        if self.workers.values().any(Worker::is_heard) {
            self.act(Action::SampleHeartbeats);
        }
        if self.runs_helpers() {
            self.act(Action::SampleHelpers);
        }
        self.ask_comparison();
    }

    /// In our own time; always in the future, because passed deadlines were enforced.
    pub(super) fn next_deadline(&self) -> Option<Moment> {
        let workers = self.workers.values().filter_map(Worker::deadline);
        let phase = match self.phase {
            MasterPhase::Delayed { until } => Some(until),
            MasterPhase::Preparing(_) => self.preparation_deadline(),
            MasterPhase::Closing { until, .. } => Some(until),
            MasterPhase::FirstBoot
            | MasterPhase::Running
            | MasterPhase::Stopping { .. }
            | MasterPhase::Gone => None,
        };
        let reload = match &self.reload {
            Reload::Idle => None,
            Reload::Reading { until, .. } => Some(*until),
            Reload::Rolling(rollout) => match rollout.batch {
                Batch::Booting => None,
                Batch::Held { until } => until,
                Batch::Switching { until, .. } => Some(until),
            },
        };
        let places = self.vacant.iter().filter_map(|slot| self.places.get(slot));
        let retries = places
            .map(|place| place.pacing.not_before)
            .filter(|at| *at > self.now() && self.keeps_up());
        let more = (self.spawning == Spawning::MoreToDo && self.keeps_up()).then(|| self.now());
        if self.phase == MasterPhase::Gone {
            return None;
        }
        workers
            .chain(phase)
            .chain(reload)
            .chain(retries)
            .chain(more)
            .chain(self.room_deadline())
            .chain(self.helper_deadline())
            .chain(self.companion_deadline())
            .chain(self.mold_deadline())
            .chain(self.rollback_deadline())
            .chain(self.scaling_deadline())
            .chain([self.pulse_at])
            .min()
    }
}
