//! Reconciles the actual state with the wanted one: surplus workers leave, empty slots are filled, the server comes
//! up. Level-triggered.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use super::mutation::fault;
use super::phase::MasterPhase;
use super::reload_state::Rollout;
use super::server::{AllFailing, Server, Spawning};
use super::slot::{BootCondition, Proven, SlotState};
use super::worker::{Worker, WorkerLife};
use super::{
    Action, Report, ServiceState, Slot, StopMode, mold, orders, places, preparation, recycle,
    reload, rollout_steps, room, shutdown,
};

/// Forks in one call: with many slots a first boot takes seconds, and signals are served in between.
pub(super) const SPAWNS_A_CALL: usize = 8;

pub(super) fn reconcile(server: &mut Server) {
    if !server.keeps_up() {
        return;
    }
    if matches!(server.phase, MasterPhase::Preparing(_)) {
        preparation::start(server);
        return;
    }
    rollout_steps::advance(server);
    reload::begin_queued(server);
    dismiss_surplus(server);
    fill_places(server);
    recycle::advance(server);
    finish_first_boot(server);
    note_when_all_fail(server);
}

/// Dismisses workers in slots that are no longer wanted, the highest first. One that serves stays while the
/// wanted slots cannot replace it (they fail, or boot): scaling down from three to two must not remove the only
/// one that works.
fn dismiss_surplus(server: &mut Server) {
    let (target, coming) = (server.target, server.reload.rollout());
    let coming = coming.map(|rollout| (rollout.generation, rollout.target));
    let mut surplus = server.incarnations(|w| {
        let wanted = match coming {
            Some((generation, target)) if w.who.generation == generation => target,
            _ => target,
        };
        w.who.slot >= Slot(wanted) && w.stays()
    });
    surplus.sort_by_key(|n| Reverse(server.workers.get(*n).map(|w| w.who.slot)));
    let mut serving = if surplus.is_empty() {
        BTreeMap::new()
    } else {
        serving_slots(server)
    };
    for incarnation in surplus {
        let slot = server
            .workers
            .get(incarnation)
            .filter(|w| serves(server, w))
            .map(|w| w.who.slot);
        let needed = slot.is_some() && serving.len() <= target as usize;
        if needed || fault!(server.effects, ScaleDownKeepsWorker) {
            continue;
        }
        orders::dismiss(server, incarnation);
        if let Some(Entry::Occupied(mut left)) = slot.map(|slot| serving.entry(slot)) {
            *left.get_mut() -= 1;
            if *left.get() == 0 {
                left.remove();
            }
        }
    }
    places::remove_surplus(server);
}

/// It serves, or is about to: the old workers of its slots were ordered to drain.
fn serves(server: &Server, worker: &Worker) -> bool {
    match worker.life {
        WorkerLife::Serving => true,
        WorkerLife::Standby => server.reload.rollout().is_some_and(Rollout::is_switching),
        WorkerLife::Paused => server.reload.brings_back(worker.who.generation),
        WorkerLife::Booting { .. }
        | WorkerLife::Hung { .. }
        | WorkerLife::Aborting { .. }
        | WorkerLife::Failed { .. }
        | WorkerLife::Terminated { .. }
        | WorkerLife::Draining { .. }
        | WorkerLife::Stopping { .. }
        | WorkerLife::Killed => false,
    }
}

/// How many workers serve in each slot that has any.
fn serving_slots(server: &Server) -> BTreeMap<Slot, usize> {
    let mut slots = BTreeMap::new();
    for worker in server.workers.values().filter(|w| serves(server, w)) {
        *slots.entry(worker.who.slot).or_default() += 1;
    }
    slots
}

fn fill_places(server: &mut Server) {
    places::add_missing(server);
    let now = server.now();
    let mut spawned = 0;
    server.spawning = Spawning::Done;
    if !server.vacant.is_empty() && room::is_being_freed(server) {
        return;
    }
    for slot in std::mem::take(&mut server.vacant) {
        let Some(place) = server.places.get(&slot) else {
            continue;
        };
        let paced = place.pacing.not_before > now || place.awaits != BootCondition::Nothing;
        if paced || !server.can_fork(place.generation) {
            server.vacant.insert(slot);
        } else if server.occupant(slot, place.generation).is_some() {
            // It will be checked again when that worker exits.
        } else if spawned == SPAWNS_A_CALL {
            server.spawning = Spawning::MoreToDo;
            server.vacant.insert(slot);
        } else {
            spawned += 1;
            orders::spawn(server, slot, place.generation, server.plan.boot_timeout);
        }
    }
}

fn finish_first_boot(server: &mut Server) {
    let complete =
        |place: &SlotState| place.proven == Proven::Once && place.awaits == BootCondition::Nothing;
    if server.phase == MasterPhase::FirstBoot && server.places.values().all(complete) {
        server.phase = MasterPhase::Running;
        server.report(Report::Up {
            workers: server.target,
        });
        server.act(Action::Notify(ServiceState::Ready));
        // A mold, a reload or a retirement may have been waiting for this.
        mold::start_due(server);
        reload::begin_queued(server);
        recycle::advance(server);
    }
}

fn note_when_all_fail(server: &mut Server) {
    let failing = server.phase == MasterPhase::Running
        && server.target > 0
        && !server.workers.values().any(Worker::is_ready)
        && server
            .places
            .values()
            .all(|place| place.pacing.failures > 0);
    match (failing, server.all_failing) {
        (true, AllFailing::No) => {
            server.all_failing = AllFailing::Reported;
            server.report(Report::AllFailing);
            if fault!(server.effects, ExitWhenAllFail) {
                shutdown::stop(server, StopMode::Fast);
            }
        }
        (false, AllFailing::Reported) if server.workers.values().any(Worker::is_ready) => {
            server.all_failing = AllFailing::No;
        }
        _ => {}
    }
}

/// Generations without workers that will not get any: the shell may drop their settings.
pub(super) fn forget_generations(server: &mut Server) {
    if !server.keeps_up() {
        return;
    }
    let previous = server.previous.as_ref().map(|previous| previous.generation);
    let coming = server.reload.generation();
    let current = |g| g == server.generation || Some(g) == coming || Some(g) == previous;
    let lives = |g| server.workers.values().any(|w| w.who.generation == g);
    let placed = |g| server.places.values().any(|place| place.generation == g);
    let known = server.known.iter().copied();
    let gone: Vec<_> = known
        .filter(|g| !current(*g) && !lives(*g) && !placed(*g))
        .collect();
    for generation in gone {
        server.known.remove(&generation);
        server.molds.remove(generation);
        server.act(Action::Forget { generation });
    }
}
