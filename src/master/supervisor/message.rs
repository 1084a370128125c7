//! Handles worker messages by worker state. Exits: `exit.rs`.

use super::mutation::fault;
use super::slot::Proven;
use super::worker::WorkerLife;
use super::{Action, BootFailure, Incarnation, Order, Report, Supervisor, WorkerMessage};

impl Supervisor {
    pub(super) fn take_message(&mut self, incarnation: Incarnation, message: WorkerMessage) {
        let Some(worker) = self.workers.get_mut(incarnation) else {
            return;
        };
        match message {
            WorkerMessage::Booted => {}
            WorkerMessage::Ready => self.take_ready(incarnation),
            WorkerMessage::StoppedAccepting => {
                let unasked = !std::mem::replace(&mut worker.accepting, false);
                let leaves = match worker.life {
                    WorkerLife::Paused => unasked,
                    WorkerLife::Serving => !fault!(self, LeavingIsNotReplaced),
                    _ => false,
                };
                if leaves {
                    self.leaves_unasked(incarnation);
                }
            }
            WorkerMessage::CanFork => self.take_can_fork(incarnation),
            WorkerMessage::Failed { phase } => {
                if worker.is_booting() {
                    let who = worker.who;
                    self.await_failed(incarnation);
                    self.boot_failed(who, BootFailure::Reported(phase));
                }
            }
        }
    }

    /// Another process sent it SIGTERM: handled as if we had, without the order. Its slot is free at once.
    fn leaves_unasked(&mut self, incarnation: Incarnation) {
        let (now, graceful) = (self.now(), self.plan.graceful_timeout);
        let Some(worker) = self.workers.get_mut(incarnation) else {
            return;
        };
        worker.life = WorkerLife::Draining {
            fast_at: now + graceful,
        };
        worker.leaving_since = now;
        self.vacant.insert(worker.who.slot);
        let (who, uptime) = (worker.who, worker.uptime(now));
        if let Some(place) = self.place_of(who) {
            place.pacing.ended(now, uptime);
        }
        self.report(Report::WorkerLeaves { worker: who });
    }

    fn take_ready(&mut self, incarnation: Incarnation) {
        let now = self.now();
        let Some(worker) = self.workers.get_mut(incarnation) else {
            return;
        };
        let who = worker.who;
        match worker.life {
            WorkerLife::Booting { .. } => {}
            WorkerLife::Terminated { kill_at } => {
                // It handled SIGTERM itself, or became ready first: then it accepts this message.
                worker.life = WorkerLife::Stopping { kill_at };
                self.act(Action::Send {
                    incarnation,
                    order: Order::StopFast,
                });
                return;
            }
            WorkerLife::Standby
            | WorkerLife::Serving
            | WorkerLife::Paused
            | WorkerLife::Hung { .. }
            | WorkerLife::Aborting { .. }
            | WorkerLife::Failed { .. }
            | WorkerLife::Draining { .. }
            | WorkerLife::Stopping { .. }
            | WorkerLife::Killed => return,
        }
        worker.ready = Some(now);
        (worker.beat, worker.slowest) = (now, now);
        worker.life = WorkerLife::Standby;
        let after = now.since(worker.spawned);
        self.report(Report::WorkerReady { worker: who, after });
        self.note_forked_worker(who);
        if let Some(place) = self.place_of(who) {
            place.proven = Proven::Once;
        }
        let waits = self
            .reload
            .rollout()
            .is_some_and(|r| r.generation == who.generation && r.awaits(who.slot));
        if !waits {
            self.complete_replacement(who);
        }
    }
}
