//! Stages: a generation that is held beside the serving one, until an operator promotes or discards it.
//!
//! It is held as a whole or not at all: if one of its workers exits, hangs or is killed, it is removed, as in any
//! rollout before the switch. So exactly the inspected generation is promoted.

use super::mutation::fault;
use super::reload_state::{ALL_SLOTS, Batch, Goal, Room};
use super::server::Server;
use super::{
    Action, Answer, ReloadFailure, Report, RolloutRefusal, ServiceState, Slot, Token, reload,
    rollout, room,
};

pub(super) fn ask(server: &mut Server, token: Token) {
    match reload::in_progress(server) {
        Some(refusal) => reload::refuse(server, token, refusal),
        None => reload::queue(server, Goal::Stage, Some(token)),
    }
}

/// All workers are ready.
pub(super) fn hold(server: &mut Server) {
    let Some(rollout) = server.reload.rollout_mut() else {
        return;
    };
    rollout.batch = Batch::Held { until: None };
    let (generation, workers) = (rollout.generation, rollout.target);
    let tokens = std::mem::take(&mut rollout.tokens);
    server.report(Report::Staged {
        generation,
        workers,
    });
    let answer = Answer::Staged {
        generation,
        workers,
    };
    for token in tokens {
        server.reply(token, answer);
    }
    server.act(Action::Notify(ServiceState::Ready));
}

/// From here on it is a reload whose workers are ready.
pub(super) fn promote(server: &mut Server, token: Token) {
    let refusal = reload::in_progress(server);
    if !server.reload.is_held() {
        reload::refuse(
            server,
            token,
            refusal.unwrap_or(RolloutRefusal::NothingStaged),
        );
        return;
    }
    if let Some(rollout) = server.reload.rollout_mut() {
        rollout.tokens.push(token);
    }
    go_on(server, Goal::Serve);
    if fault!(server.effects, PromoteForgotten)
        && let Some(rollout) = server.reload.rollout_mut()
    {
        rollout.batch = Batch::Held { until: None };
    }
}

/// The held generation continues, towards that goal.
pub(super) fn go_on(server: &mut Server, goal: Goal) {
    let Some(rollout) = server.reload.rollout_mut() else {
        return;
    };
    (rollout.goal, rollout.batch) = (goal, Batch::Booting);
    let end = match goal {
        Goal::Canary(trial) => rollout.slots_of(trial),
        Goal::Serve | Goal::Stage | Goal::Return { .. } => rollout.target,
    };
    let (generation, slots) = (rollout.generation, rollout.done..end);
    if goal == Goal::Serve {
        server.report(Report::PromotionBegan { generation });
    }
    server.act(Action::Notify(ServiceState::Reloading));
    let is_whole = slots
        .map(Slot)
        .all(|slot| server.occupant(slot, generation).is_some());
    match server.reload.rollout_mut() {
        Some(rollout) if is_whole => rollout.room = Room::For { slots: ALL_SLOTS },
        Some(_) => room::ask(server),
        None => {}
    }
}

pub(super) fn discard(server: &mut Server, token: Token) {
    let in_progress = reload::in_progress(server);
    let switches = server.reload.rollout().is_some_and(|it| it.is_switching());
    let generation = server.reload.generation().filter(|_| !switches);
    match (in_progress, generation) {
        (Some(refusal), Some(generation)) if refusal.is_for_a_stage() => {
            if server.reload.rollout().is_some() {
                rollout::fail(server, ReloadFailure::Discarded);
            } else {
                reload::end_badly(server, ReloadFailure::Discarded);
            }
            match server.reload.rollout_mut() {
                // Answered when it is complete.
                Some(returning) => returning.tokens.push(token),
                None => server.reply(token, Answer::Discarded { generation }),
            }
        }
        (refusal, _) => reload::refuse(
            server,
            token,
            refusal.unwrap_or(RolloutRefusal::NothingStaged),
        ),
    }
}
