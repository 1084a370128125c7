//! Rollouts within the available memory: before each batch the free memory determines how many workers boot beside
//! the others.
//!
//! When a control group is full, the kernel kills its largest process, and that is a serving worker. So if not all
//! new workers fit, slots are replaced a few at a time, as with a surge; if not one fits, the reload is refused.

use super::clock::PULSE;
use super::mutation::fault;
use super::reload_state::{ALL_SLOTS, Batch, Goal, Missing, Rollout, Room};
use super::server::Server;
use super::worker::WorkerLife;
use super::{AvailableMemory, ReloadFailure, Report, Slot, orders, rollout, room};

/// Boots missing workers of the next slots; returns the end of these slots when each of them has a ready worker.
pub(super) fn boot(server: &mut Server) -> Option<u32> {
    let rollout = server.reload.rollout()?;
    let Rollout {
        generation,
        done,
        target,
        room: Room::For { slots },
        ..
    } = *rollout
    else {
        return None;
    };
    let returns = matches!(rollout.goal, Goal::Return { .. });
    let forks = server.can_fork(generation);
    let holds_memory = room::is_being_freed(server);
    // Returning workers need no mold.
    if !forks && done < target && !returns {
        return None;
    }
    let surge = rollout
        .surge
        .filter(|_| !fault!(server.effects, IgnoreSurge));
    let wished = match rollout.goal {
        Goal::Serve | Goal::Stage => target.min(done.saturating_add(surge.unwrap_or(ALL_SLOTS))),
        Goal::Canary(trial) => rollout.slots_of(trial).max(done),
        Goal::Return { slots, .. } => slots.min(target),
    };
    let end = wished.min(done.saturating_add(slots.max(1)));
    let left = match rollout.goal {
        Goal::Return { missing, .. } => {
            missing == Missing::Left || fault!(server.effects, KeptMoldReturnsEmpty)
        }
        Goal::Serve | Goal::Stage | Goal::Canary(_) => false,
    };
    let (limit, boot_timeout) = (rollout.plan.boots_at_once(), rollout.plan.boot_timeout);
    let mut booting = server
        .workers
        .values()
        .filter(|w| w.is_booting() && w.who.generation == generation)
        .count();
    if end < wished {
        report_limited(server, slots);
    }
    let mut standby = 0;
    for slot in (done..end).map(Slot) {
        match server.occupant(slot, generation).map(|w| w.life) {
            Some(WorkerLife::Standby | WorkerLife::Paused) => standby += 1,
            // A slot that was added since.
            Some(WorkerLife::Serving) if returns => standby += 1,
            None if left => standby += 1,
            Some(_) => {}
            None if holds_memory => break,
            None if forks && (booting < limit || fault!(server.effects, TooManyBoots)) => {
                booting += 1;
                orders::spawn(server, slot, generation, boot_timeout);
            }
            None => break,
        }
    }
    let enough = if fault!(server.effects, GoBeforeOthersAreReady) {
        1
    } else {
        end - done
    };
    (standby >= enough).then_some(end)
}

/// The batch that boots is smaller than planned.
fn report_limited(server: &mut Server, at_once: u32) {
    let (Some(rollout), Some(memory)) = (server.reload.rollout_mut(), server.memory) else {
        return;
    };
    if rollout.at_once.replace(at_once) != Some(at_once) {
        let generation = rollout.generation;
        server.report(Report::ReloadLimited {
            generation,
            at_once,
            memory,
        });
    }
}

pub(super) fn take_memory(server: &mut Server, memory: Option<AvailableMemory>) {
    server.memory = memory;
    let (now, ignored) = (server.now(), fault!(server.effects, MemoryIsIgnored));
    let is_leaving_room = room::will_grow(server);
    let Some(rollout) = server
        .reload
        .rollout_mut()
        .filter(|rollout| rollout.room == Room::Asked && rollout.batch == Batch::Booting)
    else {
        return;
    };
    let left = rollout.target.saturating_sub(rollout.done);
    let Some(memory) = memory.filter(|_| !ignored) else {
        rollout.room = Room::For { slots: ALL_SLOTS };
        return;
    };
    let slots = memory.room();
    // A stage needs all slots.
    let fewest = match rollout.goal {
        Goal::Serve => left.min(1),
        Goal::Stage => left,
        Goal::Canary(trial) => rollout.slots_of(trial).saturating_sub(rollout.done),
        Goal::Return {
            missing: Missing::Needed,
            ..
        } => left.min(1),
        Goal::Return { .. } => 0,
    };
    if slots < fewest.max(1) && is_leaving_room {
        rollout.room = Room::NotYet { again: now + PULSE };
    } else if slots < fewest {
        rollout::fail(server, ReloadFailure::NoMemory { memory });
    } else {
        rollout.room = Room::For { slots };
    }
}
