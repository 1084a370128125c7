//! What a worker's words and its end mean, by what it was when they came. What follows from them is decided elsewhere.

use std::time::Duration;

use super::mutation::fault;
use super::pacing::is_failure;
use super::slot::{Place, Proven};
use super::worker::{Life, Worker};
use super::{
    Action, BootFailure, Exit, Incarnation, KillReason, Order, Phase, ReloadFailure, Report, Retry,
    Supervisor, Who, WorkerMessage,
};

impl Supervisor {
    pub(super) fn take_message(&mut self, incarnation: Incarnation, message: WorkerMessage) {
        let Some(worker) = self.workers.get_mut(&incarnation) else {
            return;
        };
        match message {
            WorkerMessage::Booted => {}
            WorkerMessage::Ready => self.take_ready(incarnation),
            WorkerMessage::StoppedAccepting => worker.accepting = false,
            WorkerMessage::Failed { phase } => {
                if worker.is_booting() {
                    let who = worker.who;
                    self.await_failed(incarnation);
                    self.boot_failed(who, BootFailure::Said(phase));
                }
            }
        }
    }

    fn take_ready(&mut self, incarnation: Incarnation) {
        let now = self.now();
        let Some(worker) = self.workers.get_mut(&incarnation) else {
            return;
        };
        let who = worker.who;
        match worker.life {
            Life::Booting { .. } => {}
            Life::Terminated { kill_at } => {
                // It took SIGTERM over, or was faster: then it understands this.
                worker.life = Life::Stopping { kill_at };
                self.act(Action::Send {
                    incarnation,
                    order: Order::StopFast,
                });
                return;
            }
            Life::Standby
            | Life::Serving
            | Life::Hung { .. }
            | Life::Failed { .. }
            | Life::Draining { .. }
            | Life::Stopping { .. }
            | Life::Killed => return,
        }
        worker.ready = Some(now);
        worker.beat = now;
        worker.life = Life::Standby;
        let after = now.since(worker.spawned);
        self.report(Report::WorkerReady { worker: who, after });
        if let Some(place) = self.place_of(who) {
            place.proven = Proven::Once;
        }
        let waits = self
            .reload
            .rollout()
            .is_some_and(|r| r.generation == who.generation && who.slot.0 >= r.done);
        if !waits {
            self.take_over(who);
        }
    }

    pub(super) fn take_exit(&mut self, incarnation: Incarnation, exit: Exit) {
        let Some(worker) = self.workers.remove(&incarnation) else {
            return;
        };
        let who = worker.who;
        match worker.life {
            Life::Booting { .. } => self.boot_failed(who, BootFailure::Exited(exit)),
            Life::Standby | Life::Serving => self.died(&worker, exit),
            Life::Hung { .. }
            | Life::Failed { .. }
            | Life::Terminated { .. }
            | Life::Draining { .. }
            | Life::Stopping { .. }
            | Life::Killed => {
                if fault!(self, ReplaceDrained) && self.keeps_up() {
                    self.spawn(who.slot, who.generation, self.plan.boot_timeout);
                }
                let after = self.now().since(worker.leaving_since);
                self.report(Report::WorkerLeft {
                    worker: who,
                    exit,
                    after,
                });
            }
        }
    }

    pub(super) fn take_spawn_failure(&mut self, incarnation: Incarnation) {
        let Some(worker) = self.workers.remove(&incarnation) else {
            return;
        };
        if worker.is_booting() {
            self.boot_failed(worker.who, BootFailure::NotSpawned);
        }
    }

    pub(super) fn boot_failed(&mut self, who: Who, why: BootFailure) {
        match self.phase {
            Phase::FirstBoot if !fault!(self, FirstBootFailureIgnored) => {
                self.fail_first_boot(who, why);
                return;
            }
            Phase::FirstBoot | Phase::Running => {}
            Phase::Delayed { .. } | Phase::Stopping { .. } | Phase::Gone => return,
        }
        if self.is_rolled_out(who) {
            self.fail_rollout(ReloadFailure::Boot { worker: who, why });
        }
        let now = self.now();
        let Some(place) = self.place_of(who) else {
            return;
        };
        let mut retry = place.pacing.failed(now);
        if fault!(self, NoPacing)
            && let Some(place) = self.place_of(who)
        {
            place.pacing.not_before = now;
        }
        self.answer_not_restarted(who.slot, why);
        if let Some(still) = self.occupant(who.slot, who.generation)
            && !self
                .retirees
                .iter()
                .any(|r| r.incarnation == still.who.incarnation)
        {
            retry = Retry::None;
        }
        self.report(Report::BootFailed {
            worker: who,
            why,
            retry,
        });
    }

    /// A ready worker ended unasked.
    fn died(&mut self, worker: &Worker, exit: Exit) {
        let (now, who) = (self.now(), worker.who);
        let uptime = worker.uptime(now);
        let failed = is_failure(exit, uptime) || fault!(self, KillSignalIsPaced);
        if self.is_rolled_out(who) && (worker.life == Life::Standby || failed) {
            self.fail_rollout(ReloadFailure::Died { worker: who, exit });
        }
        let (keeps_up, rolled_out) = (self.keeps_up(), self.is_rolled_out(who));
        let Some(place) = self.place_of(who) else {
            if !rolled_out {
                self.report(Report::WorkerDied {
                    worker: who,
                    exit,
                    uptime,
                    retry: Retry::None,
                });
            }
            return;
        };
        let before = place.pacing.failures;
        let retry = match (keeps_up, failed) {
            (false, _) => Retry::None,
            (true, true) => place.pacing.failed(now),
            (true, false) => place.pacing.ended(now, uptime),
        };
        if fault!(self, PacingNeverResets)
            && let Some(place) = self.place_of(who)
        {
            place.pacing.failures = place.pacing.failures.max(before);
        }
        self.report(Report::WorkerDied {
            worker: who,
            exit,
            uptime,
            retry,
        });
    }

    pub(super) fn take_heartbeat(&mut self, incarnation: Incarnation, age: Duration) {
        let (now, timeout) = (self.now(), self.plan.timeout);
        let Some(worker) = self.workers.get_mut(&incarnation).filter(|w| w.is_ready()) else {
            return;
        };
        // Time in which we did not run is in `age`, but not between the last beat we saw and our now.
        worker.beat = worker.beat.max(now - age);
        let (who, quiet, uptime) = (worker.who, now.since(worker.beat), worker.uptime(now));
        if timeout.is_none_or(|limit| quiet <= limit) || fault!(self, HungIsLeftAlone) {
            return;
        }
        let standby = worker.life == Life::Standby;
        self.report(Report::WorkerHung {
            worker: who,
            age: quiet,
        });
        self.dump_stacks(incarnation);
        if standby && self.is_rolled_out(who) {
            self.fail_rollout(ReloadFailure::Hung { worker: who });
        }
        if let Some(place) = self.place_of(who) {
            place.pacing.ended(now, uptime);
        }
    }

    pub(super) fn take_stacks(&mut self, incarnation: Incarnation) {
        if let Some(Life::Hung { .. }) = self.workers.get(&incarnation).map(|w| w.life) {
            self.kill(incarnation, KillReason::Hung);
        }
    }

    /// It belongs to the generation that is being rolled out.
    fn is_rolled_out(&self, who: Who) -> bool {
        self.reload
            .rollout()
            .is_some_and(|rollout| rollout.generation == who.generation)
    }

    /// The place that a worker was meant for, unless another generation belongs there (a rollout's, before the switch).
    fn place_of(&mut self, who: Who) -> Option<&mut Place> {
        self.places
            .get_mut(&who.slot)
            .filter(|place| place.generation == who.generation)
    }
}
