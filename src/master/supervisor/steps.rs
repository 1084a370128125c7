//! The orders to a worker: spawn, go, drain, stop, kill.

use std::time::Duration;

use super::limits::OwnLimits;
use super::worker::{BootTime, Worker, WorkerLife};
use super::{
    Action, DrainCause, Generation, Incarnation, KillReason, Moment, Order, Slot, Supervisor, Who,
};

/// A fast stop takes two seconds (tasks cancelled, lifespan ended), and one to finalise Python.
pub(super) const FAST: Duration = Duration::from_secs(3);
/// SIGTERM ends a booting worker at once unless the app handles the signal.
const TERMINATE: Duration = Duration::from_secs(2);
/// Time limit for printing the stacks of a worker that hangs, serving or in its boot.
const DUMP: Duration = Duration::from_secs(1);
/// Time limit for its `worker_abort` hook.
const ABORT: Duration = Duration::from_secs(1);

impl Supervisor {
    pub(super) fn spawn(&mut self, slot: Slot, generation: Generation, boot_timeout: Duration) {
        let now = self.now();
        self.last_incarnation = Incarnation(self.last_incarnation.0 + 1);
        let incarnation = self.last_incarnation;
        let who = Who {
            incarnation,
            slot,
            generation,
        };
        // A generation that is rolled out has a plan of its own.
        let plan = match self.reload.rollout() {
            Some(rollout) if rollout.generation == generation => &rollout.plan,
            _ => &self.plan,
        };
        let limits = OwnLimits::draw(&plan.limits, &mut self.chance);
        let until = now + boot_timeout;
        let mut worker = Worker::booting(who, now, until, limits);
        worker.forked = !self.has_mold(generation);
        self.workers.insert(worker);
        self.act(Action::Spawn {
            incarnation,
            slot,
            generation,
        });
    }

    pub(super) fn go(&mut self, incarnation: Incarnation) {
        let Some(worker) = self.workers.get_mut(incarnation) else {
            return;
        };
        worker.life = WorkerLife::Serving;
        worker.accepting = true;
        let slot = worker.who.slot;
        self.act(Action::Send {
            incarnation,
            order: Order::Go,
        });
        self.answer_restarted(slot);
    }

    /// Ends it in the way that fits its state; a second call is harmless.
    pub(super) fn dismiss(&mut self, incarnation: Incarnation) {
        let Some(worker) = self.workers.get(incarnation) else {
            return;
        };
        match worker.life {
            WorkerLife::Booting { .. } => self.terminate(incarnation, TERMINATE),
            WorkerLife::Standby => self.stop_fast(incarnation, FAST),
            WorkerLife::Serving | WorkerLife::Paused => {
                self.drain(
                    incarnation,
                    DrainCause::Replaced,
                    self.plan.replaced_grace(),
                );
            }
            WorkerLife::Hung { .. }
            | WorkerLife::Aborting { .. }
            | WorkerLife::Failed { .. }
            | WorkerLife::Terminated { .. }
            | WorkerLife::Draining { .. }
            | WorkerLife::Stopping { .. }
            | WorkerLife::Killed => {}
        }
    }

    pub(super) fn drain(
        &mut self,
        incarnation: Incarnation,
        reason: DrainCause,
        graceful: Duration,
    ) {
        if self.begin_drain_of(incarnation, graceful) {
            self.act(Action::Send {
                incarnation,
                order: Order::Drain { reason, graceful },
            });
        }
    }

    /// The caller sends the order. False: there is no such worker.
    pub(super) fn begin_drain_of(&mut self, incarnation: Incarnation, graceful: Duration) -> bool {
        let now = self.now();
        let Some(worker) = self.leaving(incarnation) else {
            return false;
        };
        worker.life = WorkerLife::Draining {
            fast_at: now + graceful,
        };
        true
    }

    pub(super) fn pause(&mut self, incarnation: Incarnation) {
        if let Some(worker) = self.workers.get_mut(incarnation) {
            worker.life = WorkerLife::Paused;
            self.vacant.insert(worker.who.slot);
            self.act(Action::Send {
                incarnation,
                order: Order::Pause,
            });
        }
    }

    pub(super) fn stop_fast(&mut self, incarnation: Incarnation, limit: Duration) {
        let kill_at = self.now() + limit;
        if let Some(worker) = self.leaving(incarnation) {
            worker.life = WorkerLife::Stopping { kill_at };
            self.act(Action::Send {
                incarnation,
                order: Order::StopFast,
            });
        }
    }

    pub(super) fn terminate(&mut self, incarnation: Incarnation, limit: Duration) {
        let kill_at = self.now() + limit;
        if let Some(worker) = self.leaving(incarnation) {
            worker.life = WorkerLife::Terminated { kill_at };
            self.act(Action::Terminate { incarnation });
        }
    }

    pub(super) fn dump_stacks(&mut self, incarnation: Incarnation) {
        let kill_at = self.now() + DUMP;
        if let Some(worker) = self.leaving(incarnation) {
            worker.life = WorkerLife::Hung { kill_at };
            self.act(Action::DumpStacks { incarnation });
        }
    }

    /// `--boot-timeout` is over: it gets no other time than that for its stacks.
    pub(super) fn dump_boot_stacks(&mut self, incarnation: Incarnation) {
        let until = self.now() + DUMP;
        if let Some(worker) = self.workers.get_mut(incarnation) {
            let time = BootTime::Over;
            worker.life = WorkerLife::Booting { until, time };
            self.act(Action::DumpStacks { incarnation });
        }
    }

    pub(super) fn abort(&mut self, incarnation: Incarnation) {
        let kill_at = self.now() + ABORT;
        if let Some(worker) = self.leaving(incarnation) {
            worker.life = WorkerLife::Aborting { kill_at };
            self.act(Action::Abort { incarnation });
        }
    }

    pub(super) fn await_failed(&mut self, incarnation: Incarnation) {
        let kill_at = self.now() + FAST;
        if let Some(worker) = self.leaving(incarnation) {
            worker.life = WorkerLife::Failed { kill_at };
        }
    }

    pub(super) fn kill(&mut self, incarnation: Incarnation, why: KillReason) {
        if let Some(worker) = self.leaving(incarnation) {
            worker.life = WorkerLife::Killed;
            let (forked, generation) = (worker.forked, worker.who.generation);
            self.act(Action::Kill { incarnation, why });
            if !forked {
                self.mold_hangs(generation);
            }
        }
    }

    /// Limits its remaining time, however long it was given before.
    pub(super) fn shorten(&mut self, incarnation: Incarnation, latest: Moment) {
        let Some(worker) = self.workers.get_mut(incarnation) else {
            return;
        };
        match &mut worker.life {
            WorkerLife::Hung { kill_at }
            | WorkerLife::Aborting { kill_at }
            | WorkerLife::Failed { kill_at }
            | WorkerLife::Terminated { kill_at }
            | WorkerLife::Stopping { kill_at } => *kill_at = latest.min(*kill_at),
            WorkerLife::Draining { fast_at } => *fast_at = latest.min(*fast_at),
            WorkerLife::Booting { .. }
            | WorkerLife::Standby
            | WorkerLife::Serving
            | WorkerLife::Paused
            | WorkerLife::Killed => {}
        }
    }

    fn leaving(&mut self, incarnation: Incarnation) -> Option<&mut Worker> {
        let now = self.now();
        let worker = self.workers.get_mut(incarnation)?;
        self.vacant.insert(worker.who.slot);
        if worker.stays() {
            worker.leaving_since = now;
        }
        Some(worker)
    }

    pub(super) fn incarnations(&self, wanted: impl Fn(&Worker) -> bool) -> Vec<Incarnation> {
        self.workers
            .values()
            .filter(|w| wanted(w))
            .map(|w| w.who.incarnation)
            .collect()
    }

    /// The worker that fills the slot or is about to; of two (a worker and its replacement), the one that serves.
    pub(super) fn occupant(&self, slot: Slot, generation: Generation) -> Option<&Worker> {
        self.workers
            .in_slot(slot)
            .filter(|w| w.who.generation == generation && w.stays())
            .max_by_key(|w| w.ready.is_some())
    }

    /// Generations without workers that will not get any: the shell may drop their settings.
    pub(super) fn forget_generations(&mut self) {
        if !self.keeps_up() {
            return;
        }
        let previous = self.previous.as_ref().map(|previous| previous.generation);
        let coming = self.reload.generation();
        let current = |g| g == self.generation || Some(g) == coming || Some(g) == previous;
        let lives = |g| self.workers.values().any(|w| w.who.generation == g);
        let placed = |g| self.places.values().any(|place| place.generation == g);
        let known = self.known.iter().copied();
        let gone: Vec<_> = known
            .filter(|g| !current(*g) && !lives(*g) && !placed(*g))
            .collect();
        for generation in gone {
            self.known.remove(&generation);
            self.molds.remove(&generation);
            self.act(Action::Forget { generation });
        }
    }
}
