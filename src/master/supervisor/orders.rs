//! The orders to a worker: spawn, go, drain, stop. The kill, which has consequences for its mold, is in `overdue.rs`.

use std::time::Duration;

use super::limits::OwnLimits;
use super::phase::FAST;
use super::server::Server;
use super::worker::{BootTime, Worker, WorkerLife};
use super::{Action, DrainCause, Generation, Incarnation, Moment, Order, Slot, Who, places};

/// SIGTERM ends a booting worker at once unless the app handles the signal.
const TERMINATE: Duration = Duration::from_secs(2);
/// Time limit for printing the stacks of a worker that hangs, serving or in its boot.
const DUMP: Duration = Duration::from_secs(1);
/// Time limit for its `worker_abort` hook.
const ABORT: Duration = Duration::from_secs(1);

pub(super) fn spawn(
    server: &mut Server,
    slot: Slot,
    generation: Generation,
    boot_timeout: Duration,
) {
    let now = server.now();
    server.last_incarnation = Incarnation(server.last_incarnation.0 + 1);
    let incarnation = server.last_incarnation;
    let who = Who {
        incarnation,
        slot,
        generation,
    };
    // A generation that is rolled out has a plan of its own.
    let plan = match server.reload.rollout() {
        Some(rollout) if rollout.generation == generation => &rollout.plan,
        _ => &server.plan,
    };
    let limits = OwnLimits::draw(&plan.limits, &mut server.chance);
    let until = now + boot_timeout;
    let mut worker = Worker::booting(who, now, until, limits);
    worker.forked = server.molds.get(generation).is_none();
    server.workers.insert(worker);
    server.act(Action::Spawn {
        incarnation,
        slot,
        generation,
    });
}

pub(super) fn go(server: &mut Server, incarnation: Incarnation) {
    let Some(worker) = server.workers.get_mut(incarnation) else {
        return;
    };
    worker.life = WorkerLife::Serving;
    worker.accepting = true;
    let slot = worker.who.slot;
    server.act(Action::Send {
        incarnation,
        order: Order::Go,
    });
    places::answer_restarted(server, slot);
}

/// Ends it in the way that fits its state; a second call is harmless.
pub(super) fn dismiss(server: &mut Server, incarnation: Incarnation) {
    let Some(worker) = server.workers.get(incarnation) else {
        return;
    };
    match worker.life {
        WorkerLife::Booting { .. } => terminate(server, incarnation, TERMINATE),
        WorkerLife::Standby => stop_fast(server, incarnation, FAST),
        WorkerLife::Serving | WorkerLife::Paused => {
            drain(
                server,
                incarnation,
                DrainCause::Replaced,
                server.plan.replaced_grace(),
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
    server: &mut Server,
    incarnation: Incarnation,
    reason: DrainCause,
    graceful: Duration,
) {
    if begin_drain(server, incarnation, graceful) {
        server.act(Action::Send {
            incarnation,
            order: Order::Drain { reason, graceful },
        });
    }
}

/// The caller sends the order. False: there is no such worker.
pub(super) fn begin_drain(
    server: &mut Server,
    incarnation: Incarnation,
    graceful: Duration,
) -> bool {
    let now = server.now();
    let Some(worker) = leaving(server, incarnation) else {
        return false;
    };
    worker.life = WorkerLife::Draining {
        fast_at: now + graceful,
    };
    true
}

pub(super) fn pause(server: &mut Server, incarnation: Incarnation) {
    if let Some(worker) = server.workers.get_mut(incarnation) {
        worker.life = WorkerLife::Paused;
        server.vacant.insert(worker.who.slot);
        server.act(Action::Send {
            incarnation,
            order: Order::Pause,
        });
    }
}

pub(super) fn stop_fast(server: &mut Server, incarnation: Incarnation, limit: Duration) {
    let kill_at = server.now() + limit;
    if let Some(worker) = leaving(server, incarnation) {
        worker.life = WorkerLife::Stopping { kill_at };
        server.act(Action::Send {
            incarnation,
            order: Order::StopFast,
        });
    }
}

pub(super) fn terminate(server: &mut Server, incarnation: Incarnation, limit: Duration) {
    let kill_at = server.now() + limit;
    if let Some(worker) = leaving(server, incarnation) {
        worker.life = WorkerLife::Terminated { kill_at };
        server.act(Action::Terminate { incarnation });
    }
}

pub(super) fn dump_stacks(server: &mut Server, incarnation: Incarnation) {
    let kill_at = server.now() + DUMP;
    if let Some(worker) = leaving(server, incarnation) {
        worker.life = WorkerLife::Hung { kill_at };
        server.act(Action::DumpStacks { incarnation });
    }
}

/// `--boot-timeout` is over: it gets no other time than that for its stacks.
pub(super) fn dump_boot_stacks(server: &mut Server, incarnation: Incarnation) {
    let until = server.now() + DUMP;
    if let Some(worker) = server.workers.get_mut(incarnation) {
        let time = BootTime::Over;
        worker.life = WorkerLife::Booting { until, time };
        server.act(Action::DumpStacks { incarnation });
    }
}

pub(super) fn abort(server: &mut Server, incarnation: Incarnation) {
    let kill_at = server.now() + ABORT;
    if let Some(worker) = leaving(server, incarnation) {
        worker.life = WorkerLife::Aborting { kill_at };
        server.act(Action::Abort { incarnation });
    }
}

pub(super) fn await_failed(server: &mut Server, incarnation: Incarnation) {
    let kill_at = server.now() + FAST;
    if let Some(worker) = leaving(server, incarnation) {
        worker.life = WorkerLife::Failed { kill_at };
    }
}

/// Limits its remaining time, however long it was given before.
pub(super) fn shorten(server: &mut Server, incarnation: Incarnation, latest: Moment) {
    let Some(worker) = server.workers.get_mut(incarnation) else {
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

pub(super) fn leaving(server: &mut Server, incarnation: Incarnation) -> Option<&mut Worker> {
    let now = server.now();
    let worker = server.workers.get_mut(incarnation)?;
    server.vacant.insert(worker.who.slot);
    if worker.stays() {
        worker.leaving_since = now;
    }
    Some(worker)
}
