//! Replacing workers that serve (requests, memory, lifetime, an operator's command): one at a time, replacement
//! first.
//!
//! The next one waits until the old process has exited, so that recycling never costs more than one process above the
//! count, and all of them wait for a reload: it replaces all workers anyway.

use super::mutation::fault;
use super::phase::MasterPhase;
use super::reload_state::Reload;
use super::retiree::RecycleStarted;
use super::server::Server;
use super::worker::{Worker, WorkerLife};
use super::{DrainCause, Incarnation, Report, Retirement, Who, orders, refork, room};

pub(super) fn advance(server: &mut Server) {
    let idle = matches!(server.reload, Reload::Idle) || server.reload.is_held();
    let quiet = idle && server.queued.is_none();
    if server.phase != MasterPhase::Running
        || !(quiet || fault!(server.effects, RetireDuringReload))
    {
        return;
    }
    let (workers, places) = (&server.workers, &server.places);
    server.retirees.retain(|retiree| {
        workers
            .get(retiree.incarnation)
            .is_some_and(|w| !w.stays() || places.contains_key(&w.who.slot))
    });
    let at_once = if fault!(server.effects, RetireSeveralAtOnce) {
        server.retirees.len()
    } else {
        1
    };
    let chosen: Vec<_> = server
        .retirees
        .iter()
        .take(at_once)
        .map(|r| (r.incarnation, r.why))
        .collect();
    for (incarnation, why) in chosen {
        boot_replacement(server, incarnation, why);
    }
}

fn boot_replacement(server: &mut Server, incarnation: Incarnation, why: Retirement) {
    let Some(Who {
        slot, generation, ..
    }) = server
        .workers
        .get(incarnation)
        .filter(|w| w.life == WorkerLife::Serving)
        .map(|w| w.who)
    else {
        return;
    };
    let boots = server.workers.in_slot(slot).any(Worker::is_booting);
    let paced = server
        .places
        .get(&slot)
        .is_none_or(|p| p.pacing.not_before > server.now());
    if boots || paced || room::is_being_freed(server) || !server.can_fork(generation) {
        return;
    }
    if let Some(retiree) = server
        .retirees
        .iter_mut()
        .find(|r| r.incarnation == incarnation)
        && std::mem::replace(&mut retiree.begun, RecycleStarted::Yes) == RecycleStarted::No
    {
        let worker = Who {
            incarnation,
            slot,
            generation,
        };
        let known = server.workers.get(incarnation).and_then(|w| w.excess);
        let excess = known.filter(|excess| excess.why == why);
        server.report(Report::Retiring {
            worker,
            why,
            excess,
        });
    }
    orders::spawn(server, slot, generation, server.plan.boot_timeout);
    if fault!(server.effects, RetireDrainsFirst) {
        orders::drain(
            server,
            incarnation,
            DrainCause::Replaced,
            server.plan.graceful_timeout,
        );
    }
}

/// The replacement is ready: the old worker of its slot drains, and at the same time the new one goes.
pub(super) fn complete(server: &mut Server, new: Who) {
    let old = server
        .workers
        .in_slot(new.slot)
        .find(|w| w.life == WorkerLife::Serving);
    if let Some(old) = old.map(|w| w.who) {
        refork::replace(server, old);
        server.report(Report::Replaced { old, new });
    }
    orders::go(server, new.incarnation);
}
