//! Rollback of a serving generation: workers of the previous one are paused, and take their slots back; or its mold
//! was kept, and forks them.
//!
//! As in a reload the leaving workers stop accepting before the returning ones go, and a returning worker that has
//! exited in the meantime is booted first. If that fails the others do not wait: serving a version that is to be
//! taken back is worse than filling a slot a little later. Of a mold all workers boot first, in as many batches as
//! the memory needs; if the first of them fail, the generation that serves goes on.

use super::mutation::fault;
use super::reload_state::{ALL_SLOTS, Goal, Missing, Previous, Rollout};
use super::server::Server;
use super::worker::{Worker, WorkerLife};
use super::{
    Generation, KeptProcesses, Moment, Plan, ReloadFailure, Report, RolloutRefusal, Token, orders,
    reload, rollout, scaling, stage,
};

/// `ctl rollback`: of a canary, or of the last generation that took over.
pub(super) fn ask(server: &mut Server, token: Token) {
    match reload::in_progress(server) {
        Some(RolloutRefusal::Canary { .. }) => return stage::discard(server, token),
        Some(refusal @ RolloutRefusal::TakingBack { .. }) => {
            return reload::refuse(server, token, refusal);
        }
        Some(refusal) if server.reload.rollout().is_some_and(Rollout::is_switching) => {
            return reload::refuse(server, token, refusal);
        }
        Some(_) | None => {}
    }
    let Some(previous) = &server.previous else {
        reload::refuse(server, token, RolloutRefusal::NothingKept);
        return;
    };
    let (generation, plan) = (previous.generation, previous.plan.clone());
    let missing = match previous.kept {
        KeptProcesses::Workers => Missing::Booted,
        KeptProcesses::Mold => Missing::Needed,
    };
    // Clients that asked for something newer are notified; it must not be started after the rollback.
    if server.reload.rollout().is_some() {
        rollout::fail(server, ReloadFailure::Discarded);
    } else {
        reload::end_badly(server, ReloadFailure::Discarded);
    }
    if let Some(returning) = server.reload.rollout_mut() {
        // Of a surge that had begun.
        returning.tokens.push(token);
        return;
    }
    let queued = server.queued.take().into_iter();
    let refusal = RolloutRefusal::TakingBack {
        generation: server.generation,
    };
    for waiting in queued.flat_map(|queued| queued.tokens) {
        reload::refuse(server, waiting, refusal);
    }
    let (target, bounds) = scaling::carried_over(server, &plan);
    let goal = Goal::Return {
        from: server.generation,
        slots: ALL_SLOTS,
        why: ReloadFailure::Discarded,
        missing,
    };
    rollout::begin_return(
        server,
        (generation, plan, bounds),
        target,
        goal,
        vec![token],
    );
}

/// Another generation has taken over from that one.
pub(super) fn keep_or_release(server: &mut Server, before: Generation, plan: Plan) {
    let window = server.plan.rollback_window;
    let returns = matches!(server.reload.goal(), Some(Goal::Return { .. }));
    let kept = server.plan.keeps_of(&plan).filter(|kept| {
        let lives = match kept {
            KeptProcesses::Workers => has_paused(server, before),
            KeptProcesses::Mold => server.molds.is_ready(before),
        };
        lives && !returns
    });
    let stays = |g| g == server.generation || g == before && kept == Some(KeptProcesses::Workers);
    let gone = |w: &Worker| w.life == WorkerLife::Paused && !stays(w.who.generation);
    for worker in server.incarnations(gone) {
        orders::dismiss(server, worker);
    }
    let until = server.now() + window;
    server.previous = kept.map(|kept| Previous {
        generation: before,
        plan,
        kept,
        until,
    });
    if let Some(kept) = kept {
        server.report(Report::KeptForRollback {
            generation: before,
            kept,
            window,
        });
    }
}

fn has_paused(server: &Server, generation: Generation) -> bool {
    let paused = |w: &Worker| w.life == WorkerLife::Paused && w.who.generation == generation;
    server.workers.values().any(paused)
}

pub(super) fn deadline(server: &Server) -> Option<Moment> {
    let returns = matches!(server.reload.goal(), Some(Goal::Return { .. }));
    let previous = server.previous.as_ref().filter(|_| !returns)?;
    server.keeps_up().then_some(previous.until)
}

/// The window is over, or nothing is left of what was kept.
pub(super) fn enforce(server: &mut Server) {
    let Some(until) = deadline(server) else {
        return;
    };
    let (now, lives) = (server.now(), |it: &Previous| match it.kept {
        KeptProcesses::Workers => has_paused(server, it.generation),
        KeptProcesses::Mold => {
            server.molds.is_ready(it.generation) || fault!(server.effects, KeptMoldEndsUnseen)
        }
    });
    let is_over = until <= now || !server.previous.as_ref().is_some_and(lives);
    if is_over && let Some(Previous { generation, .. }) = server.previous.take() {
        for worker in
            server.incarnations(|w| w.life == WorkerLife::Paused && w.who.generation == generation)
        {
            if !fault!(server.effects, KeepBeyondWindow) {
                orders::dismiss(server, worker);
            }
        }
        server.report(Report::KeptNoMore { generation });
    }
}
