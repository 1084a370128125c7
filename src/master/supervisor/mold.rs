//! Molds: the process of a generation that its workers are forked from. When one is started, how long it may boot,
//! and the consequences of its exit. A generation whose plan does not ask for one has none, and its workers are
//! forked from the master.

use std::time::Duration;

use super::mold_state::MoldLife;
use super::mutation::fault;
use super::pacing::is_kill;
use super::phase::{FAST, MasterPhase};
use super::refork_state::Refork;
use super::server::Server;
use super::slot::{BootCondition, Proven};
use super::{
    Action, BootFailure, Generation, MoldMessage, Moment, ReloadFailure, Report, Retry,
    SourceWatching, refork, rollout, shutdown,
};

/// Starts the molds that are due.
pub(super) fn start_due(server: &mut Server) {
    if !server.keeps_up() || matches!(server.phase, MasterPhase::Preparing(_)) {
        return;
    }
    let now = server.now();
    for generation in due(server, |at| at <= now) {
        let until = now + boot_timeout_of(server, generation);
        if let Some(mold) = server.molds.get_mut(generation) {
            mold.life = MoldLife::Booting {
                started: now,
                until,
            };
            server.act(Action::StartMold { generation });
        }
    }
}

/// Generations that need a mold, have none, and whose pause ends at such a time.
fn due(server: &Server, at: impl Fn(Moment) -> bool) -> Vec<Generation> {
    let absent = server.molds.iter().filter(|(_, mold)| {
        mold.life == MoldLife::Absent
            && (mold.awaits == BootCondition::Nothing || server.phase != MasterPhase::FirstBoot)
            && (at(mold.pacing.not_before) || fault!(server.effects, MoldsAreNotPaced))
    });
    let absent = absent.map(|(generation, _)| generation);
    absent.filter(|one| may_spawn_in(server, *one)).collect()
}

/// Whether slots of that generation will be filled. One whose last workers drain needs no new mold.
fn may_spawn_in(server: &Server, generation: Generation) -> bool {
    generation == server.generation
        || server
            .reload
            .rollout()
            .is_some_and(|r| r.generation == generation)
        || server.places.values().any(|p| p.generation == generation)
}

fn boot_timeout_of(server: &Server, generation: Generation) -> Duration {
    match server.reload.rollout() {
        Some(rollout) if rollout.generation == generation => rollout.plan.boot_timeout,
        _ => server.plan.boot_timeout,
    }
}

pub(super) fn take_message(server: &mut Server, generation: Generation, message: MoldMessage) {
    let now = server.now();
    let Some(mold) = server.molds.get_mut(generation) else {
        return;
    };
    let MoldLife::Booting { started, .. } = mold.life else {
        return;
    };
    match message {
        MoldMessage::Ready => {
            mold.life = MoldLife::Ready { since: now };
            mold.proven = Proven::Once;
            let after = now.since(started);
            // `--reload`: the previous mold could not fork them.
            for (slot, place) in &mut server.places {
                place.awaits = BootCondition::Nothing;
                server.vacant.insert(*slot);
            }
            server.report(Report::MoldReady { generation, after });
        }
        MoldMessage::Failed { phase } => {
            mold.life = MoldLife::Failed {
                kill_at: now + FAST,
            };
            failed(server, generation, BootFailure::Reported(phase));
        }
    }
}

/// Its process has exited, or could not be started.
pub(super) fn take_end(server: &mut Server, generation: Generation, why: BootFailure) {
    let ready = server.molds.is_ready(generation);
    if ready && refork::take_mold_loss(server, generation, why) {
        return;
    }
    let Some(mold) = server.molds.get_mut(generation) else {
        return;
    };
    match std::mem::replace(&mut mold.life, MoldLife::Absent) {
        MoldLife::Booting { .. } => failed(server, generation, why),
        MoldLife::Ready { since } => died(server, generation, since, why),
        // Its end was accounted for when it was decided.
        MoldLife::Absent | MoldLife::Failed { .. } | MoldLife::Killed => {}
    }
}

/// It was asked for a worker and has not forked it within the time limit.
pub(super) fn hangs(server: &mut Server, generation: Generation) {
    if server.molds.is_ready(generation)
        && refork::take_mold_loss(server, generation, BootFailure::TimedOut)
    {
        return;
    }
    let Some(mold) = server.molds.get_mut(generation) else {
        return;
    };
    if let MoldLife::Ready { since } = mold.life
        && !fault!(server.effects, HangingMoldIsLeft)
    {
        mold.life = MoldLife::Killed;
        server.act(Action::KillMold { generation });
        died(server, generation, since, BootFailure::TimedOut);
    }
}

fn died(server: &mut Server, generation: Generation, since: Moment, why: BootFailure) {
    if !server.keeps_up() {
        return;
    }
    if let Some(mold) = server.molds.get_mut(generation)
        && matches!(mold.refork, Refork::Settled { .. })
    {
        // The next one imports the app.
        mold.refork = Refork::Untried;
    }
    if server.reload.returns_by_mold() && server.reload.generation() == Some(generation) {
        // Its successor would load the code that is on the disk by now.
        rollout::fail(server, ReloadFailure::Mold { generation, why });
    }
    let retry = pace(server, generation, why, Some(since));
    server.report(Report::MoldDied {
        generation,
        why,
        retry,
    });
}

/// It did not become ready.
fn failed(server: &mut Server, generation: Generation, why: BootFailure) {
    match server.phase {
        MasterPhase::FirstBoot if server.plan.sources == SourceWatching::Watched => {
            if let Some(mold) = server.molds.get_mut(generation) {
                mold.awaits = BootCondition::Change;
            }
            let retry = Retry::AtNextChange;
            server.report(Report::MoldFailed {
                generation,
                why,
                retry,
            });
            return;
        }
        MasterPhase::FirstBoot => {
            let code = shutdown::boot_error_code(&server.effects, why);
            server.report(Report::FirstMoldFailed { why, code });
            shutdown::give_up_first_boot(server, code);
            return;
        }
        MasterPhase::Running => {}
        MasterPhase::Preparing(_)
        | MasterPhase::Delayed { .. }
        | MasterPhase::Stopping { .. }
        | MasterPhase::Closing { .. }
        | MasterPhase::Gone => return,
    }
    let rolled_out = server.reload.generation() == Some(generation);
    let retry = pace(server, generation, why, None);
    if rolled_out {
        rollout::fail(server, ReloadFailure::Mold { generation, why });
    }
    if may_spawn_in(server, generation) {
        server.report(Report::MoldFailed {
            generation,
            why,
            retry,
        });
    }
}

fn pace(
    server: &mut Server,
    generation: Generation,
    why: BootFailure,
    since: Option<Moment>,
) -> Retry {
    let now = server.now();
    let Some(mold) = server.molds.get_mut(generation) else {
        return Retry::None;
    };
    let killed = matches!(why, BootFailure::Exited(exit) if is_kill(exit));
    let retry = if killed {
        mold.pacing.killed(now, since)
    } else {
        mold.pacing.failed(now, since)
    };
    if may_spawn_in(server, generation) {
        retry
    } else {
        Retry::None
    }
}

/// Enforces deadlines of molds. A stopping server ends them all at its end.
pub(super) fn enforce(server: &mut Server) {
    if !server.keeps_up() {
        return;
    }
    let now = server.now();
    let due = server.molds.iter();
    let due = due.filter(|(_, mold)| mold.deadline().is_some_and(|at| at <= now));
    for generation in due.map(|(one, _)| one).collect::<Vec<_>>() {
        let Some(mold) = server.molds.get_mut(generation) else {
            continue;
        };
        let booted = matches!(mold.life, MoldLife::Booting { .. });
        mold.life = MoldLife::Killed;
        if !fault!(server.effects, LateMoldIsLeft) {
            server.act(Action::KillMold { generation });
        }
        if booted {
            failed(server, generation, BootFailure::TimedOut);
        }
    }
}

pub(super) fn deadline(server: &Server) -> Option<Moment> {
    if !server.keeps_up() || matches!(server.phase, MasterPhase::Preparing(_)) {
        return None;
    }
    let now = server.now();
    let lives = server
        .molds
        .iter()
        .filter_map(|(_, mold)| mold.deadline())
        .min();
    let pauses = due(server, |at| at > now).into_iter();
    let pauses = pauses.filter_map(|one| server.molds.get(one));
    lives
        .into_iter()
        .chain(pauses.map(|mold| mold.pacing.not_before))
        .min()
}

/// `--reload`: files have changed before every worker was ready once.
pub(super) fn boot_anew(server: &mut Server) {
    for generation in server.molds.generations() {
        if let Some(mold) = server.molds.get_mut(generation) {
            mold.awaits = BootCondition::Nothing;
            if matches!(mold.life, MoldLife::Booting { .. }) {
                mold.life = MoldLife::Killed;
                server.act(Action::KillMold { generation });
            }
        }
    }
}
