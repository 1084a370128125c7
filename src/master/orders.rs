//! The supervisor's orders to a worker, as messages, and the signals to it.

use std::time::Duration;

use super::child_signal::deliver;
use super::event_queue::EventQueue;
use super::memory;
use super::molds::{self, Molds};
use super::shell::Shell;
use super::supervisor::{DrainCause, Incarnation, Order, Slot, Supervisor, WorkerStage};
use super::upgrade::attempt::OtherMaster;
use super::worker_processes::WorkerProcesses;
use crate::ipc::{self, ScoreboardState, ToWorker};
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

pub fn signal(
    events: &mut EventQueue,
    fleet: &WorkerProcesses,
    molds: &mut Molds,
    incarnation: Incarnation,
    signal: SignalNumber,
) {
    if let Some(worker) = fleet.workers.get(incarnation) {
        deliver(worker.pid, signal);
    } else {
        molds::withdraw(events, &fleet.scoreboard, molds, incarnation, signal);
    }
}

fn milliseconds(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}
