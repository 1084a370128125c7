//! Handles the exit of workers, by worker state.

use super::mutation::fault;
use super::pacing::{is_failure, is_kill};
use super::phase::MasterPhase;
use super::server::Server;
use super::slot::BootCondition;
use super::worker::{Worker, WorkerLife};
use super::{
    BootFailure, Exit, Incarnation, ReloadFailure, Report, Retry, SourceWatching, Who, orders,
    places, refork, rollout, shutdown,
};

pub(super) fn take(server: &mut Server, incarnation: Incarnation, exit: Exit) {
    let Some(worker) = server.workers.remove(incarnation) else {
        return;
    };
    let who = worker.who;
    server.vacant.insert(who.slot);
    refork::take_exit(server, who, exit);
    match worker.life {
        WorkerLife::Booting { .. } => boot_failed(server, who, BootFailure::Exited(exit)),
        WorkerLife::Standby | WorkerLife::Serving => died(server, &worker, exit),
        WorkerLife::Paused => lost_paused(server, &worker, exit),
        WorkerLife::Hung { .. }
        | WorkerLife::Aborting { .. }
        | WorkerLife::Failed { .. }
        | WorkerLife::Terminated { .. }
        | WorkerLife::Draining { .. }
        | WorkerLife::Stopping { .. }
        | WorkerLife::Killed => {
            if fault!(server.effects, ReplaceDrained) && server.keeps_up() {
                orders::spawn(server, who.slot, who.generation, server.plan.boot_timeout);
            }
            let after = server.now().since(worker.leaving_since);
            server.report(Report::WorkerLeft {
                worker: who,
                exit,
                after,
            });
        }
    }
}

pub(super) fn take_spawn_failure(server: &mut Server, incarnation: Incarnation) {
    let Some(worker) = server.workers.remove(incarnation) else {
        return;
    };
    server.vacant.insert(worker.who.slot);
    if worker.is_booting() {
        boot_failed(server, worker.who, BootFailure::NotSpawned);
    }
}

pub(super) fn boot_failed(server: &mut Server, who: Who, why: BootFailure) {
    match server.phase {
        MasterPhase::FirstBoot if server.plan.sources == SourceWatching::Watched => {
            server.report(Report::BootFailed {
                worker: who,
                why,
                retry: Retry::AtNextChange,
            });
            await_change(server, who);
            return;
        }
        MasterPhase::FirstBoot if !fault!(server.effects, FirstBootFailureIgnored) => {
            shutdown::fail_first_boot(server, who, why);
            return;
        }
        MasterPhase::FirstBoot | MasterPhase::Running => {}
        MasterPhase::Preparing(_)
        | MasterPhase::Delayed { .. }
        | MasterPhase::Stopping { .. }
        | MasterPhase::Closing { .. }
        | MasterPhase::Gone => {
            return;
        }
    }
    refork::take_boot_failure(server, who, why);
    if server.is_rolled_out(who) {
        rollout::fail(server, ReloadFailure::Boot { worker: who, why });
    }
    let now = server.now();
    let ready = server
        .occupant(who.slot, who.generation)
        .and_then(|w| w.ready);
    let killed = matches!(why, BootFailure::Exited(exit) if is_kill(exit))
        && !fault!(server.effects, KilledBootIsPaced);
    let never_paced = fault!(server.effects, KilledBootIsNeverPaced);
    let Some(place) = server.place_of(who) else {
        return;
    };
    let mut retry = if killed {
        place.pacing.killed(now, ready)
    } else {
        place.pacing.failed(now, ready)
    };
    if killed && never_paced {
        place.pacing.not_before = now;
    }
    server.vacant.insert(who.slot);
    if fault!(server.effects, NoPacing)
        && let Some(place) = server.place_of(who)
    {
        place.pacing.not_before = now;
    }
    places::answer_not_restarted(server, who.slot, why);
    if let Some(still) = server.occupant(who.slot, who.generation)
        && !server
            .retirees
            .iter()
            .any(|r| r.incarnation == still.who.incarnation)
    {
        retry = Retry::None;
    }
    server.report(Report::BootFailed {
        worker: who,
        why,
        retry,
    });
}

/// A boot has failed, and the next one would too: waits until the files change.
fn await_change(server: &mut Server, who: Who) {
    if let Some(place) = server.place_of(who) {
        place.awaits = BootCondition::Change;
    }
}

/// A ready worker ended unasked.
fn died(server: &mut Server, worker: &Worker, exit: Exit) {
    let (now, who) = (server.now(), worker.who);
    let uptime = worker.uptime(now);
    let failed = is_failure(exit, uptime) || fault!(server.effects, KillSignalIsPaced);
    let unseen = fault!(server.effects, LoseStagedUnseen) && server.reload.is_held();
    if server.is_rolled_out(who) && (worker.life == WorkerLife::Standby || failed) && !unseen {
        rollout::fail(server, ReloadFailure::Died { worker: who, exit });
    }
    let (keeps_up, rolled_out) = (server.keeps_up(), server.is_rolled_out(who));
    let Some(place) = server.place_of(who) else {
        if !rolled_out {
            server.report(Report::WorkerDied {
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
        (true, true) => place.pacing.ended_early(now),
        (true, false) => place.pacing.ended(now, uptime),
    };
    if fault!(server.effects, PacingNeverResets)
        && let Some(place) = server.place_of(who)
    {
        place.pacing.failures = place.pacing.failures.max(before);
    }
    server.report(Report::WorkerDied {
        worker: who,
        exit,
        uptime,
        retry,
    });
}

/// A paused worker exited unasked. Another one boots when it is needed.
fn lost_paused(server: &mut Server, worker: &Worker, exit: Exit) {
    server.report(Report::WorkerDied {
        worker: worker.who,
        exit,
        uptime: worker.uptime(server.now()),
        retry: Retry::None,
    });
}
