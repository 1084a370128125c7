//! The supervisor's orders to a worker, as messages, and the signals to it.

use std::time::Duration;

use super::child_signal::deliver;
use super::event_text::kill_reason;
use super::shell::Shell;
use super::supervisor::{
    DrainCause, Event, Incarnation, KillReason, Order, Slot, Supervisor, WorkerStage,
};
use super::upgrade::attempt::OtherMaster;
use super::workers::{Killed, WorkerProcess};
use super::{hang, memory, molds};
use crate::ipc::{self, ScoreboardState, ToWorker};
use crate::sys::process::catches;
use crate::sys::signals::SignalNumber;

pub fn send(shell: &mut Shell<'_>, incarnation: Incarnation, order: Order) {
    let Some(slot) = shell
        .fleet
        .workers
        .get(incarnation)
        .map(|worker| worker.slot)
    else {
        return;
    };
    // First the master, then the worker: the last process to close a listener empties its queue.
    let is_last = matches!(order, Order::Drain { .. })
        && !has_successor(&shell.supervisor, slot)
        && shell.listening.listeners.shares.close(slot.0);
    let Some(worker) = shell.fleet.workers.get(incarnation) else {
        return;
    };
    let (listeners, set) = (
        &shell.listening.listeners,
        shell.generations.listeners_of(worker.generation),
    );
    let is_last = is_last || listeners.lacks_one_of(&set);
    let shared = shell.upgrade.other != OtherMaster::None;
    let message = match order {
        Order::Go => {
            memory::keep_as_others(worker.pid);
            // Not only by the worker: those that it replaces may have exited before it reads the order, and a probe in
            // between would find no worker that takes requests.
            worker.page.set_state(ScoreboardState::Accepting);
            ToWorker::Go
        }
        Order::Drain { reason, graceful } => ToWorker::Drain {
            reason: match reason {
                DrainCause::Replaced if is_last => ipc::DrainReason::Removed,
                DrainCause::Replaced => ipc::DrainReason::Replaced,
                // The other master's workers go on there.
                DrainCause::Shutdown if shared => ipc::DrainReason::Removed,
                DrainCause::Shutdown => ipc::DrainReason::Shutdown,
            },
            graceful_ms: milliseconds(graceful),
        },
        Order::BecomeMold { graceful } => ToWorker::BecomeMold {
            graceful_ms: milliseconds(graceful),
        },
        Order::StopFast => ToWorker::StopFast,
        Order::Pause => ToWorker::Pause,
    };
    worker.send(&message);
}

/// Whether another worker of that slot accepts, or will.
fn has_successor(supervisor: &Supervisor, slot: Slot) -> bool {
    supervisor.workers_in(slot).any(|view| {
        matches!(
            view.stage,
            WorkerStage::Booting | WorkerStage::Standby | WorkerStage::Serving
        )
    })
}

pub fn terminate(shell: &mut Shell<'_>, incarnation: Incarnation) {
    signal(shell, incarnation, SignalNumber::TERM);
}

pub fn kill(shell: &mut Shell<'_>, incarnation: Incarnation, why: KillReason) {
    if let Some(worker) = condemned(shell, incarnation) {
        let (slot, pid) = (worker.slot.0, worker.pid.as_raw());
        let reason = kill_reason(why);
        // That it hangs was logged with all details.
        if why == KillReason::Hung {
            tracing::debug!(slot, pid, reason, "killing worker");
        } else {
            tracing::warn!(slot, pid, reason, "killing worker");
        }
    }
    signal(shell, incarnation, SignalNumber::KILL);
}

/// Lets a hung worker call `worker_abort`, if it can still run Python.
pub fn abort(shell: &mut Shell<'_>, incarnation: Incarnation) {
    let Some(worker) = condemned(shell, incarnation) else {
        return;
    };
    if catches(worker.pid, SignalNumber::ABRT) {
        deliver(worker.pid, SignalNumber::ABRT);
    } else {
        shell.events.push(Event::AbortInVain { incarnation });
    }
}

/// Its stacks are collected, and its end will be known as ours; `None`: it has no process.
fn condemned<'a>(shell: &'a mut Shell<'_>, incarnation: Incarnation) -> Option<&'a WorkerProcess> {
    hang::collect_stacks(&shell.generations, &mut shell.fleet.workers, incarnation);
    let worker = shell.fleet.workers.get_mut(incarnation)?;
    worker.killed = Killed::ByUs;
    Some(worker)
}

fn signal(shell: &mut Shell<'_>, incarnation: Incarnation, signal: SignalNumber) {
    match shell.fleet.workers.get(incarnation) {
        Some(worker) => deliver(worker.pid, signal),
        None => molds::withdraw(
            &mut shell.events,
            &shell.fleet.scoreboard,
            &mut shell.molds,
            incarnation,
            signal,
        ),
    }
}

fn milliseconds(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}
