//! A rollout begins, and fails. A failure before the switch leaves nothing behind; where the replaced workers are paused, they
//! serve again. The steps in between are in `rollout_steps.rs`.

use super::mutation::fault;
use super::reload_state::{ALL_SLOTS, Batch, Goal, Missing, Reload, Replaced, Rollout, Room};
use super::server::Server;
use super::worker::WorkerLife;
use super::{
    Action, Answer, Bounds, ConfigResult, Generation, KeptProcesses, Plan, ReloadFailure, Report,
    ServiceState, Slot, Token, orders, reload, room, scaling,
};

pub(super) fn take_config(server: &mut Server, read: Generation, result: ConfigResult) {
    if !matches!(server.reload, Reload::Reading { generation, .. } if generation == read) {
        return;
    }
    match result {
        ConfigResult::Good(plan) => begin(server, *plan),
        ConfigResult::Bad => reload::fail_reading(server),
    }
}

fn begin(server: &mut Server, plan: Plan) {
    let Reload::Reading {
        generation,
        goal,
        tokens,
        ..
    } = std::mem::replace(&mut server.reload, Reload::Idle)
    else {
        return;
    };
    let (target, bounds) = scaling::carried_over(server, &plan);
    cancel_replacements(server);
    server.report(Report::ReloadBegan { generation });
    server.molds.add(generation, &plan);
    let replaced = match plan.keeps_of(&server.plan) {
        None | Some(KeptProcesses::Mold) if !matches!(goal, Goal::Canary(_)) => Replaced::Drained,
        None | Some(KeptProcesses::Workers | KeptProcesses::Mold) => Replaced::Paused,
    };
    let rollout = Rollout {
        generation,
        goal,
        surge: match goal {
            Goal::Serve => plan.surge.filter(|k| *k > 0),
            Goal::Stage | Goal::Canary(_) | Goal::Return { .. } => None,
        },
        plan,
        tokens,
        target,
        bounds,
        done: 0,
        batch: Batch::Booting,
        room: Room::Asked,
        at_once: None,
        replaced,
        committed: false,
    };
    server.reload = Reload::Rolling(Box::new(rollout));
    room::ask(server);
    if fault!(server.effects, DrainOldAtRolloutStart) {
        for old in server.incarnations(|w| w.who.generation != generation) {
            orders::dismiss(server, old);
        }
    }
}

/// A worker of the new generation failed. Before the switch: back to the old one. During it: first completes the
/// switch, for the old workers of this batch are draining already.
pub(super) fn fail(server: &mut Server, why: ReloadFailure) {
    let Some(rollout) = server.reload.rollout_mut() else {
        return;
    };
    if let Batch::Switching { doomed, .. } = &mut rollout.batch {
        doomed.get_or_insert(why);
        return;
    }
    if fault!(server.effects, IgnoreFailureInRollout) {
        return;
    }
    if let Goal::Return { missing, .. } = &mut rollout.goal
        && (*missing != Missing::Needed || rollout.done > 0)
    {
        (*missing, rollout.room) = (Missing::Left, Room::For { slots: ALL_SLOTS });
        return;
    }
    if rollout.replaced == Replaced::Paused && rollout.done > 0 {
        take_back(server, why);
        return;
    }
    let (generation, done) = (rollout.generation, rollout.done);
    for new in server.incarnations(|w| w.who.generation == generation && w.who.slot >= Slot(done)) {
        if !fault!(server.effects, LeaveFailedGenerationRunning) {
            orders::dismiss(server, new);
        }
    }
    reload::end_badly(server, why);
}

/// Takes back a canary, or a part of a surge.
fn take_back(server: &mut Server, why: ReloadFailure) {
    let Reload::Rolling(rollout) = std::mem::replace(&mut server.reload, Reload::Idle) else {
        return;
    };
    let Rollout {
        generation: from,
        done,
        mut tokens,
        ..
    } = *rollout;
    if why == ReloadFailure::Discarded {
        for token in std::mem::take(&mut tokens) {
            server.reply(
                token,
                Answer::StageFailed {
                    generation: from,
                    why,
                },
            );
        }
    }
    for new in server.incarnations(|w| w.who.generation == from && w.life != WorkerLife::Serving) {
        orders::dismiss(server, new);
    }
    let back = (
        server.generation,
        server.plan.clone(),
        server.scaling.bounds,
    );
    let goal = Goal::Return {
        from,
        slots: done.min(server.target),
        why,
        missing: Missing::Booted,
    };
    begin_return(server, back, server.target, goal, tokens);
}

pub(super) fn begin_return(
    server: &mut Server,
    (generation, plan, bounds): (Generation, Plan, Option<Bounds>),
    target: u32,
    goal: Goal,
    tokens: Vec<Token>,
) {
    cancel_replacements(server);
    let mut needed = false;
    if let Goal::Return {
        from, why, missing, ..
    } = goal
    {
        needed = missing == Missing::Needed;
        server.report(Report::TakingBack {
            generation: from,
            why,
        });
    }
    server.reload = Reload::Rolling(Box::new(Rollout {
        generation,
        goal,
        plan,
        tokens,
        surge: None,
        target,
        bounds,
        done: 0,
        batch: Batch::Booting,
        room: Room::For { slots: ALL_SLOTS },
        at_once: None,
        replaced: Replaced::Drained,
        committed: false,
    }));
    server.act(Action::Notify(ServiceState::Reloading));
    if needed {
        room::ask(server);
    }
}

pub(super) fn end_return(server: &mut Server, from: Generation, why: ReloadFailure) {
    let Reload::Rolling(rollout) = std::mem::replace(&mut server.reload, Reload::Idle) else {
        return;
    };
    let to = rollout.generation;
    server.report(Report::TakenBack {
        generation: from,
        to,
        why,
    });
    let answer = Answer::TakenBack {
        generation: from,
        to,
        why,
    };
    for token in rollout.tokens {
        server.reply(token, answer);
    }
    server.act(Action::Notify(ServiceState::Ready));
}

/// A rollout begins: replacements of the old generation that still boot are not needed any more.
fn cancel_replacements(server: &mut Server) {
    let serves = |slot: Slot| {
        server
            .workers
            .in_slot(slot)
            .any(|w| w.life == WorkerLife::Serving)
    };
    for replacement in server.incarnations(|w| w.is_booting() && serves(w.who.slot)) {
        orders::dismiss(server, replacement);
    }
}
