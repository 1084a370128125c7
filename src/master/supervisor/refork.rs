//! `--refork-after`: a worker that has served for a while becomes the mold of its generation, and the other workers are replaced by
//! workers that are forked from it, one after the other, replacement first.
//!
//! Its own replacement is ready before it stops, so that no worker is missing at any time. The mold before is kept until a worker of
//! the new one is ready: if that fails, it is the mold again, and the generation stays as it is.

use super::mold_state::Mold;
use super::mutation::fault;
use super::phase::FAST;
use super::refork_state::Refork;
use super::retiree::Retiree;
use super::server::Server;
use super::worker::{Worker, WorkerLife};
use super::{
    Action, Beat, BootFailure, DrainCause, Exit, Generation, Incarnation, Order, ReforkFailure,
    Report, Retirement, Who, orders, retirement,
};

/// It may have served long enough to become the mold, or be older than the mold.
pub(super) fn look_at(server: &mut Server, beat: Beat) {
    let serving = |w: &&Worker| w.life == WorkerLife::Serving;
    let Some(worker) = server.workers.get(beat.incarnation).filter(serving) else {
        return;
    };
    let generation = worker.who.generation;
    let is_ready = server.molds.is_ready(generation);
    let Some(refork) = server.molds.get(generation).map(|mold| mold.refork) else {
        return;
    };
    let why = match refork {
        Refork::Untried if served_enough(server, generation, beat) && is_ready => {
            Retirement::BecomesMold
        }
        Refork::Refused
            if fault!(server.effects, ReforkAgain) && served_enough(server, generation, beat) =>
        {
            Retirement::BecomesMold
        }
        Refork::Settling { last } | Refork::Settled { last }
            if beat.incarnation <= last && !fault!(server.effects, OlderWorkersStay) =>
        {
            Retirement::OlderMold
        }
        _ => return,
    };
    retirement::add(server, beat.incarnation, why);
}

fn served_enough(server: &Server, generation: Generation, beat: Beat) -> bool {
    let chosen = |retiree: &Retiree| retiree.why == Retirement::BecomesMold;
    generation == server.generation
        && server
            .plan
            .refork_after
            .is_some_and(|after| beat.requests >= after)
        && !server.retirees.iter().any(chosen)
}

/// Its replacement is ready: it leaves, or becomes the mold if it was chosen for that.
pub(super) fn replace(server: &mut Server, old: Who) {
    let chosen = server.retirees.iter().any(|retiree| {
        retiree.incarnation == old.incarnation && retiree.why == Retirement::BecomesMold
    });
    let (generation, graceful) = (old.generation, server.plan.graceful_timeout);
    let possible = generation == server.generation && server.molds.is_ready(generation);
    let again = fault!(server.effects, ReforkAgain);
    let mold = server.molds.get_mut(generation);
    let mold = mold.filter(|mold| mold.refork == Refork::Untried || again);
    let Some(mold) = mold.filter(|_| chosen && possible) else {
        orders::drain(server, old.incarnation, DrainCause::Replaced, graceful);
        return;
    };
    mold.refork = Refork::Ordered(old.incarnation);
    orders::begin_drain(server, old.incarnation, graceful);
    server.act(Action::Send {
        incarnation: old.incarnation,
        order: Order::BecomeMold { graceful },
    });
}

/// It has ended its requests and its threads, and waits to be the mold.
pub(super) fn take_can_fork(server: &mut Server, incarnation: Incarnation) {
    let drains = |w: &&Worker| matches!(w.life, WorkerLife::Draining { .. });
    let Some(worker) = server.workers.get(incarnation).filter(drains) else {
        return;
    };
    let generation = worker.who.generation;
    let mold = server.molds.get_mut(generation);
    match mold.filter(|mold| mold.refork == Refork::Ordered(incarnation)) {
        Some(mold) => mold.refork = Refork::Waiting(incarnation),
        None => orders::stop_fast(server, incarnation, FAST),
    }
}

/// Lets a worker be the mold as soon as the one before has nothing left to fork.
pub(super) fn advance(server: &mut Server) {
    let waiting = |(generation, mold): (Generation, &Mold)| match mold.refork {
        Refork::Waiting(incarnation) => Some((generation, incarnation)),
        _ => None,
    };
    let Some((generation, incarnation)) = server.molds.iter().find_map(waiting) else {
        return;
    };
    if !server.keeps_up() {
        return;
    }
    let unforked = |w: &Worker| w.who.generation == generation && !w.forked;
    let who = server.workers.get(incarnation).map(|w| w.who);
    let wanted = generation == server.generation && server.molds.is_ready(generation);
    let Some(who) = who.filter(|_| wanted) else {
        server.molds.set_refork(generation, Refork::Untried);
        orders::stop_fast(server, incarnation, FAST);
        return;
    };
    if server.workers.values().any(unforked) && !fault!(server.effects, ReforkDropsWorkers) {
        return;
    }
    server.workers.remove(incarnation);
    server.act(Action::AdoptMold {
        incarnation,
        generation,
    });
    let last = server.last_incarnation;
    server
        .molds
        .renew(generation, server.now(), Refork::Settling { last });
    server.report(Report::MoldAdopted { worker: who });
    if fault!(server.effects, MoldBeforeEndsEarly) {
        settle(server, generation, last);
    }
}

/// A worker became ready.
pub(super) fn take_ready(server: &mut Server, who: Who) {
    if let Some(last) = settles_with(server, who) {
        settle(server, who.generation, last);
    }
}

fn settle(server: &mut Server, generation: Generation, last: Incarnation) {
    server
        .molds
        .set_refork(generation, Refork::Settled { last });
    server.act(Action::EndMoldBefore { generation });
    server.report(Report::Reforked { generation });
}

/// Whether the mold that has forked this worker is to be shown by it.
fn settles_with(server: &Server, who: Who) -> Option<Incarnation> {
    match server.molds.get(who.generation)?.refork {
        Refork::Settling { last } if who.incarnation > last => Some(last),
        _ => None,
    }
}

/// A worker did not become ready.
pub(super) fn take_boot_failure(server: &mut Server, who: Who, why: BootFailure) {
    if settles_with(server, who).is_some() {
        return_to_mold(
            server,
            who.generation,
            ReforkFailure::Boot { worker: who, why },
        );
    }
}

/// The mold has ended, or hangs. True: the one before is the mold again.
pub(super) fn take_mold_loss(
    server: &mut Server,
    generation: Generation,
    why: BootFailure,
) -> bool {
    let mold = server.molds.get(generation);
    let settling = mold.is_some_and(|m| matches!(m.refork, Refork::Settling { .. }));
    if settling && server.keeps_up() {
        return_to_mold(server, generation, ReforkFailure::Mold(why));
        return true;
    }
    false
}

fn return_to_mold(server: &mut Server, generation: Generation, why: ReforkFailure) {
    server
        .molds
        .renew(generation, server.now(), Refork::Refused);
    // One whose replacement boots already goes on: the next retirement waits for it.
    let workers = &server.workers;
    server.retirees.retain(|retiree| {
        let slot = workers.get(retiree.incarnation).map(|w| w.who.slot);
        let boots = slot.is_some_and(|slot| workers.in_slot(slot).any(Worker::is_booting));
        retiree.why != Retirement::OlderMold || boots
    });
    server.act(Action::ReturnToMoldBefore { generation });
    server.report(Report::NotReforked { generation, why });
}

/// A worker exited. If it was to become the mold, that is not tried again.
pub(super) fn take_exit(server: &mut Server, who: Who, exit: Exit) {
    let ordered = [Refork::Ordered, Refork::Waiting].map(|it| it(who.incarnation));
    let mold = server.molds.get_mut(who.generation);
    if let Some(mold) = mold.filter(|mold| ordered.contains(&mold.refork)) {
        mold.refork = Refork::Refused;
        if server.keeps_up() {
            server.report(Report::NotReforked {
                generation: who.generation,
                why: ReforkFailure::Exited(exit),
            });
        }
    }
}
