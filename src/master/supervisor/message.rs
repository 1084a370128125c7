//! Handles worker messages by worker state. Exits: `exit.rs`.

use super::mutation::fault;
use super::server::Server;
use super::slot::Proven;
use super::worker::WorkerLife;
use super::{
    Action, BootFailure, Incarnation, Order, Report, WorkerMessage, exit, orders, recycle, refork,
};

pub(super) fn take(server: &mut Server, incarnation: Incarnation, message: WorkerMessage) {
    let Some(worker) = server.workers.get_mut(incarnation) else {
        return;
    };
    match message {
        WorkerMessage::Booted => {}
        WorkerMessage::Ready => take_ready(server, incarnation),
        WorkerMessage::StoppedAccepting => {
            let unasked = !std::mem::replace(&mut worker.accepting, false);
            let leaves = match worker.life {
                WorkerLife::Paused => unasked,
                WorkerLife::Serving => !fault!(server.effects, LeavingIsNotReplaced),
                _ => false,
            };
            if leaves {
                leaves_unasked(server, incarnation);
            }
        }
        WorkerMessage::CanFork => refork::take_can_fork(server, incarnation),
        WorkerMessage::Failed { phase } => {
            if worker.is_booting() {
                let who = worker.who;
                orders::await_failed(server, incarnation);
                exit::boot_failed(server, who, BootFailure::Reported(phase));
            }
        }
    }
}

pub(super) fn take_forked(server: &mut Server, incarnation: Incarnation) {
    if let Some(worker) = server.workers.get_mut(incarnation) {
        worker.forked = true;
    }
}

/// Another process sent it SIGTERM: handled as if we had, without the order. Its slot is free at once.
fn leaves_unasked(server: &mut Server, incarnation: Incarnation) {
    let (now, graceful) = (server.now(), server.plan.graceful_timeout);
    let Some(worker) = server.workers.get_mut(incarnation) else {
        return;
    };
    worker.life = WorkerLife::Draining {
        fast_at: now + graceful,
    };
    worker.leaving_since = now;
    server.vacant.insert(worker.who.slot);
    let (who, uptime) = (worker.who, worker.uptime(now));
    if let Some(place) = server.place_of(who) {
        place.pacing.ended(now, uptime);
    }
    server.report(Report::WorkerLeaves { worker: who });
}

fn take_ready(server: &mut Server, incarnation: Incarnation) {
    let now = server.now();
    let Some(worker) = server.workers.get_mut(incarnation) else {
        return;
    };
    let who = worker.who;
    match worker.life {
        WorkerLife::Booting { .. } => {}
        WorkerLife::Terminated { kill_at } => {
            // It handled SIGTERM itself, or became ready first: then it accepts this message.
            worker.life = WorkerLife::Stopping { kill_at };
            server.act(Action::Send {
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
    server.report(Report::WorkerReady { worker: who, after });
    refork::take_ready(server, who);
    if let Some(place) = server.place_of(who) {
        place.proven = Proven::Once;
    }
    let waits = server
        .reload
        .rollout()
        .is_some_and(|r| r.generation == who.generation && r.awaits(who.slot));
    if !waits {
        recycle::complete(server, who);
    }
}
