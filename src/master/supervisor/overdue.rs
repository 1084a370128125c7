//! Workers whose time is over: a boot, a drain or a stop that did not end, a hung worker whose stacks were printed. They are killed in the end.

use super::mutation::fault;
use super::phase::{FAST, MasterPhase};
use super::server::Server;
use super::worker::{BootTime, WorkerLife};
use super::{Abort, Action, BootFailure, Incarnation, KillReason, Who, exit, mold, orders};

/// The deadline of that worker's state has passed, if no other one that passed at the same time has changed it.
pub(super) fn enforce(server: &mut Server, incarnation: Incarnation) {
    let now = server.now();
    let Some(worker) = server.workers.get(incarnation) else {
        return;
    };
    if worker.deadline().is_none_or(|at| at > now) {
        return;
    }
    let who = worker.who;
    match worker.life {
        WorkerLife::Booting { .. } if fault!(server.effects, NoBootTimeout) => {
            forget_deadline(server, incarnation)
        }
        // One that the mold has not forked yet has no stacks.
        WorkerLife::Booting {
            time: BootTime::Left,
            ..
        } if worker.forked && !fault!(server.effects, LateBootIsNotLookedAt) => {
            orders::dump_boot_stacks(server, incarnation);
        }
        WorkerLife::Booting { .. } => end_late_boot(server, who),
        WorkerLife::Hung { .. } => end_hung(server, incarnation),
        WorkerLife::Aborting { .. } if fault!(server.effects, NoKillAfterAbort) => {
            forget_deadline(server, incarnation);
        }
        WorkerLife::Aborting { .. } => kill(server, incarnation, KillReason::Hung),
        WorkerLife::Failed { .. } | WorkerLife::Terminated { .. } | WorkerLife::Stopping { .. } => {
            if fault!(server.effects, NoKillAfterStop) {
                forget_deadline(server, incarnation);
            } else {
                kill(server, incarnation, KillReason::Overdue);
            }
        }
        WorkerLife::Draining { .. } if fault!(server.effects, NoKillAfterDrain) => {
            forget_deadline(server, incarnation);
        }
        WorkerLife::Draining { .. } => orders::stop_fast(server, incarnation, FAST),
        WorkerLife::Standby | WorkerLife::Serving | WorkerLife::Paused | WorkerLife::Killed => {}
    }
}

/// For faults only: removes a worker's deadline.
fn forget_deadline(server: &mut Server, incarnation: Incarnation) {
    if let Some(worker) = server.workers.get_mut(incarnation) {
        worker.life = WorkerLife::Killed;
        server.vacant.insert(worker.who.slot);
    }
}

fn kill(server: &mut Server, incarnation: Incarnation, why: KillReason) {
    if let Some(worker) = orders::leaving(server, incarnation) {
        worker.life = WorkerLife::Killed;
        let (forked, generation) = (worker.forked, worker.who.generation);
        server.act(Action::Kill { incarnation, why });
        if !forked {
            mold::hangs(server, generation);
        }
    }
}

/// It was not ready within `--boot-timeout`, and its stacks were printed, or the time for that is over.
fn end_late_boot(server: &mut Server, who: Who) {
    kill(server, who.incarnation, KillReason::BootTimeout);
    exit::boot_failed(server, who, BootFailure::TimedOut);
}

/// Its stacks were printed, or the time for that is over. After a first boot that failed there is no time for a hook.
pub(super) fn end_hung(server: &mut Server, incarnation: Incarnation) {
    let gives_up = matches!(server.phase, MasterPhase::Stopping { code, .. } if code != 0);
    match server.plan.abort {
        Abort::First if !gives_up => orders::abort(server, incarnation),
        Abort::First | Abort::Never => kill(server, incarnation, KillReason::Hung),
    }
}

pub(super) fn take_stacks(server: &mut Server, incarnation: Incarnation) {
    let Some(worker) = server.workers.get(incarnation) else {
        return;
    };
    match worker.life {
        WorkerLife::Hung { .. } => end_hung(server, incarnation),
        WorkerLife::Booting {
            time: BootTime::Over,
            ..
        } => end_late_boot(server, worker.who),
        _ => {}
    }
}

pub(super) fn take_abort_in_vain(server: &mut Server, incarnation: Incarnation) {
    if let Some(WorkerLife::Aborting { .. }) = server.workers.get(incarnation).map(|w| w.life) {
        kill(server, incarnation, KillReason::Hung);
    }
}
