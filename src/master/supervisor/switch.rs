//! The point of no return of a rollout: the old workers drain, then the new ones go.

use std::time::Duration;

use super::mutation::fault;
use super::reload_state::{Batch, Goal, Missing, Replaced};
use super::server::Server;
use super::slot::SlotState;
use super::worker::{Worker, WorkerLife};
use super::{KeptProcesses, Moment, ReloadFailure, Slot, orders, rollback, rollout, room};

/// How long the new workers wait for the old ones' `StoppedAccepting`.
const ACKNOWLEDGE: Duration = Duration::from_secs(1);

/// Whether the rollout can continue at once.
#[derive(PartialEq, Eq)]
pub(super) enum RolloutStep {
    Again,
    Wait,
}

/// The new workers of the batch are ready: drains the old ones.
pub(super) fn begin(server: &mut Server, end: u32) {
    let until = server.now() + ACKNOWLEDGE;
    let Some(rollout) = server.reload.rollout_mut() else {
        return;
    };
    rollout.batch = Batch::Switching {
        end,
        until,
        doomed: None,
    };
    let (generation, done) = (rollout.generation, rollout.done);
    let replaced = match rollout.goal {
        Goal::Serve
            if end >= rollout.target
                && rollout.plan.keeps_of(&server.plan) != Some(KeptProcesses::Workers) =>
        {
            Replaced::Drained
        }
        _ => rollout.replaced,
    };
    let last = match rollout.goal {
        Goal::Serve | Goal::Stage => end >= rollout.target,
        Goal::Canary(_) => false,
        Goal::Return { slots, .. } => end >= slots.min(rollout.target),
    };
    replace_old(server, end, replaced);
    for slot in (done..end).map(Slot) {
        let waiting = server.places.remove(&slot).map(|place| place.waiting);
        let mut place = SlotState::new(generation);
        place.waiting = waiting.unwrap_or_default();
        server.vacant.insert(slot);
        server.places.insert(slot, place);
    }
    if last {
        commit(server);
    } else {
        server.target = server.target.max(end);
    }
}

/// Those that are paused already stay paused: the commit decides.
fn replace_old(server: &mut Server, end: u32, replaced: Replaced) {
    let Some(rollout) = server.reload.rollout() else {
        return;
    };
    let serves = server.generation;
    let old = |w: &Worker| {
        w.who.generation != rollout.generation
            && w.life != WorkerLife::Paused
            && rollout.replaces(w.who, end)
    };
    for old in server.incarnations(old) {
        let keeps = |w: &Worker| w.life == WorkerLife::Serving && w.who.generation == serves;
        if fault!(server.effects, SwitchWithoutDrain) {
            continue;
        }
        match replaced {
            Replaced::Paused if server.workers.get(old).is_some_and(keeps) => {
                orders::pause(server, old)
            }
            Replaced::Paused | Replaced::Drained => orders::dismiss(server, old),
        }
    }
}

/// The new generation is the one that serves: its plan applies from here on. Idempotent. Slots added after that
/// are no part of the rollout.
pub(super) fn commit(server: &mut Server) {
    let Some(rollout) = server.reload.rollout_mut() else {
        return;
    };
    if std::mem::replace(&mut rollout.committed, true) {
        return;
    }
    let (generation, target, plan) = (rollout.generation, rollout.target, rollout.plan.clone());
    let bounds = rollout.bounds;
    (server.target, server.scaling.bounds) = (target, bounds);
    let old = std::mem::replace(&mut server.plan, plan);
    let before = std::mem::replace(&mut server.generation, generation);
    if before != generation {
        rollback::keep_or_release(server, before, old);
    }
}

/// Lets the batch go once no old worker accepts any more, so that new connections meet one version.
pub(super) fn finish(
    server: &mut Server,
    end: u32,
    until: Moment,
    doomed: Option<ReloadFailure>,
) -> RolloutStep {
    let Some(rollout) = server.reload.rollout() else {
        return RolloutStep::Wait;
    };
    let committed = rollout.committed;
    let accepting = server.workers.values().any(|w| {
        w.accepting && w.who.generation != rollout.generation && rollout.replaces(w.who, end)
    });
    let patient = server.now() < until || fault!(server.effects, WaitForeverForAcknowledgements);
    if accepting && patient && !fault!(server.effects, GoBeforeOldStoppedAccepting) {
        return RolloutStep::Wait;
    }
    go_all(server);
    let Some(rollout) = server.reload.rollout_mut() else {
        return RolloutStep::Wait;
    };
    rollout.done = end;
    rollout.batch = Batch::Booting;
    let in_batches = match rollout.goal {
        Goal::Serve => true,
        Goal::Return { missing, .. } => missing == Missing::Needed,
        Goal::Stage | Goal::Canary(_) => false,
    };
    if !committed && in_batches {
        room::ask(server);
    }
    if let Some(why) = doomed.filter(|_| !committed) {
        rollout::fail(server, why);
    }
    RolloutStep::Again
}

/// The ready workers of the new generation; of one that returns, those that were paused.
pub(super) fn go_all(server: &mut Server) {
    let Some(rollout) = server.reload.rollout() else {
        return;
    };
    let (generation, switched, goal) = (rollout.generation, rollout.switched(), rollout.goal);
    let goes = |w: &Worker| {
        w.who.generation == generation
            && (w.who.slot.0 < switched || goal.is_for_all_slots())
            && match w.life {
                WorkerLife::Standby => true,
                WorkerLife::Paused => matches!(goal, Goal::Return { .. }),
                _ => false,
            }
    };
    for new in server.incarnations(goes) {
        orders::go(server, new);
    }
}
