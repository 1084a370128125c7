//! Shutdown: the delay, the drain, the fast stop, the failed first boot; and the end when no worker is left.

use std::time::Duration;

use super::effects::Effects;
use super::mutation::fault;
use super::phase::{FAST, MasterPhase};
use super::reload_state::Rollout;
use super::server::Server;
use super::worker::{Worker, WorkerLife};
use super::{
    BootFailure, BootPhase, DrainCause, Exit, Report, Signal, StopMode, Who, closing, orders,
    preparation, switch,
};

/// A failed first boot takes at most a second: the other workers get half of it.
const FAILED_BOOT: Duration = Duration::from_millis(500);
/// A worker could not start (gunicorn's code).
const WORKER_BOOT_ERROR: u8 = 3;
/// The app could not be loaded (gunicorn's code).
const APP_LOAD_ERROR: u8 = 4;
/// As for settings that are found invalid before a worker is forked.
const WRONG_SETTINGS: u8 = 1;

/// The first TERM is graceful, a second one makes it fast; during the shutdown delay it only ends the delay.
pub(super) fn take_term(server: &mut Server) {
    if matches!(server.phase, MasterPhase::Delayed { .. })
        && !fault!(server.effects, SecondTermIgnored)
    {
        begin_drain(server);
    } else if server.keeps_up() {
        stop(server, StopMode::Graceful);
    } else if !fault!(server.effects, SecondTermIgnored) {
        stop(server, StopMode::Fast);
    }
}

/// From any phase; never back to a gentler mode.
pub(super) fn stop(server: &mut Server, mode: StopMode) {
    match (server.phase, mode) {
        (MasterPhase::Preparing(_), _) => preparation::stop(server, mode, Signal::Term),
        (MasterPhase::FirstBoot | MasterPhase::Running, StopMode::Graceful) => {
            stop_gracefully(server)
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
        (MasterPhase::Closing { code, .. }, _) => closing::exit(server, code),
        (_, StopMode::Fast) => stop_at_once(server, FAST, 0),
    }
}

fn stop_gracefully(server: &mut Server) {
    if fault!(server.effects, TermWaitsForRollout) && server.reload.rollout().is_some() {
        return;
    }
    // In the middle of a switch the old workers have left the listeners already: the new ones serve the queue.
    if server.reload.rollout().is_some_and(Rollout::is_switching) {
        switch::go_all(server);
    }
    let until = server.now() + server.plan.shutdown_delay;
    server.phase = MasterPhase::Delayed { until };
    server.report(Report::Stopping {
        mode: StopMode::Graceful,
    });
    closing::abandon(server);
    for idle in server.incarnations(|w| w.is_booting() || w.life == WorkerLife::Standby) {
        orders::dismiss(server, idle);
    }
    if server.plan.shutdown_delay.is_zero() {
        begin_drain(server);
    } else {
        server.report(Report::ShutdownDelayed {
            by: server.plan.shutdown_delay,
        });
    }
}

pub(super) fn begin_drain(server: &mut Server) {
    let graceful = server.plan.graceful_timeout;
    server.phase = MasterPhase::Stopping {
        mode: StopMode::Graceful,
        code: 0,
        by: server.now() + graceful,
    };
    // First the master, then the workers: the last process to close a listener empties its accept queue, and that
    // must be a worker.
    closing::close_listeners(server);
    let now = server.now();
    let serving: Vec<_> = server
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
        orders::drain(server, incarnation, DrainCause::Shutdown, graceful);
    }
}

fn stop_at_once(server: &mut Server, limit: Duration, code: u8) {
    let begins = server.keeps_up();
    let by = match server.phase {
        MasterPhase::Stopping { by, .. } => by,
        _ => server.now() + server.plan.graceful_timeout,
    };
    server.phase = MasterPhase::Stopping {
        mode: StopMode::Fast,
        code,
        by,
    };
    server.report(Report::Stopping {
        mode: StopMode::Fast,
    });
    if begins {
        closing::abandon(server);
    }
    closing::close_listeners(server);
    let latest = server.now() + limit;
    for incarnation in server.incarnations(|_| true) {
        match server.workers.get(incarnation).map(|w| w.life) {
            Some(WorkerLife::Booting { .. }) => orders::terminate(server, incarnation, limit),
            Some(
                WorkerLife::Standby
                | WorkerLife::Serving
                | WorkerLife::Paused
                | WorkerLife::Draining { .. },
            ) => {
                orders::stop_fast(server, incarnation, limit);
            }
            Some(
                WorkerLife::Hung { .. }
                | WorkerLife::Aborting { .. }
                | WorkerLife::Failed { .. }
                | WorkerLife::Terminated { .. }
                | WorkerLife::Stopping { .. }
                | WorkerLife::Killed,
            )
            | None => orders::shorten(server, incarnation, latest),
        }
    }
}

/// A partial first boot never serves: a clear exit with the traceback is better than a degraded server.
pub(super) fn fail_first_boot(server: &mut Server, worker: Who, why: BootFailure) {
    let code = boot_error_code(&server.effects, why);
    server.report(Report::FirstBootFailed { worker, why, code });
    give_up_first_boot(server, code);
}

pub(super) fn boot_error_code(effects: &Effects, why: BootFailure) -> u8 {
    match why {
        BootFailure::Reported(BootPhase::Load)
        | BootFailure::Exited(Exit::Code(APP_LOAD_ERROR))
            if !fault!(effects, WrongExitCode) =>
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

pub(super) fn give_up_first_boot(server: &mut Server, code: u8) {
    let patience = if fault!(server.effects, FirstBootFailureIsPatient) {
        FAST
    } else {
        FAILED_BOOT
    };
    stop_at_once(server, patience, code);
}

/// No worker is left: companions that were not ordered to end yet have nothing to wait for.
fn await_companions(server: &mut Server) {
    if matches!(server.phase, MasterPhase::Delayed { .. }) {
        begin_drain(server);
        server.keep_companions();
    }
}

pub(super) fn leave_when_done(server: &mut Server) {
    let (code, by) = match server.phase {
        MasterPhase::Preparing(_)
        | MasterPhase::FirstBoot
        | MasterPhase::Running
        | MasterPhase::Closing { .. }
        | MasterPhase::Gone => return,
        MasterPhase::Delayed { .. } => (0, server.now() + server.plan.graceful_timeout),
        MasterPhase::Stopping { code, by, .. } => (code, by),
    };
    let stays = |w: &Worker| !fault!(server.effects, ExitWhileDraining) || w.stays();
    if server.workers.values().any(stays) {
        return;
    }
    if server.companions.run() && !fault!(server.effects, ExitBeforeCompanions) {
        await_companions(server);
        return;
    }
    closing::close_listeners(server);
    closing::begin(server, code, by);
}
