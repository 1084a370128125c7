//! The places of the slots: added and removed as their number changes; the clients that wait for a restart are answered.

use super::server::Server;
use super::slot::{Proven, SlotState};
use super::worker::Worker;
use super::{Answer, BootFailure, Retirement, Slot};

/// Adds places for wanted slots that have none yet. During a rollout, only for slots that have a worker already:
/// the first worker of an added slot is then of the generation that remains.
pub(super) fn add_missing(server: &mut Server) {
    if server.places.len() == server.target as usize {
        return;
    }
    let rolling = server.reload.rollout().is_some() && !server.reload.is_held();
    // Slots below it belong to a canary.
    let canary = server.reload.rollout().map(|it| (it.generation, it.done));
    for slot in (0..server.target).map(Slot) {
        if server.places.contains_key(&slot) {
            continue;
        }
        let generation = match canary {
            Some((generation, done)) if slot.0 < done => generation,
            Some(_) | None => server.generation,
        };
        // A worker that was to leave and could not be spared may still serve here.
        let occupant = server.occupant(slot, generation).map(Worker::is_ready);
        if occupant.is_some() || !rolling {
            let mut place = SlotState::new(generation);
            if occupant == Some(true) {
                place.proven = Proven::Once;
            }
            server.vacant.insert(slot);
            server.places.insert(slot, place);
        }
    }
}

/// Removes the places of slots that are no longer wanted.
pub(super) fn remove_surplus(server: &mut Server) {
    let last = server.places.last_key_value().map(|(slot, _)| slot.0);
    if last.is_none_or(|last| last < server.target) {
        return;
    }
    for (slot, place) in server.places.split_off(&Slot(server.target)) {
        for token in place.waiting {
            server.reply(token, Answer::NoSuchSlot { slot });
        }
    }
}

pub(super) fn answer_restarted(server: &mut Server, slot: Slot) {
    if let Some(place) = server.places.get_mut(&slot) {
        for token in std::mem::take(&mut place.waiting) {
            server.reply(token, Answer::WorkerReplaced { slot });
        }
    }
}

/// Answers the clients that wait for a restart, and gives the restart itself up: its end would not be reported.
pub(super) fn answer_not_restarted(server: &mut Server, slot: Slot, why: BootFailure) {
    let Some(place) = server.places.get_mut(&slot) else {
        return;
    };
    for token in std::mem::take(&mut place.waiting) {
        server.reply(token, Answer::RestartFailed { slot, why });
    }
    let workers = &server.workers;
    server.retirees.retain(|retiree| {
        let worker = workers.get(retiree.incarnation);
        let in_vain = worker.is_some_and(|w| w.who.slot == slot && w.stays());
        retiree.why != Retirement::Requested || !in_vain
    });
}
