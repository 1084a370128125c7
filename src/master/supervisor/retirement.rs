//! Which workers are to be replaced while they serve: those that have reached a limit, hang in one thread, or are named by an operator.

use super::limits::WorkerUsage;
use super::mutation::fault;
use super::retiree::{RecycleStarted, Retiree};
use super::server::Server;
use super::{Answer, Beat, Incarnation, Retirement, Slot, Token};

/// It may have reached one of its limits.
pub(super) fn look_at_limits(server: &mut Server, beat: Beat) {
    let now = server.now();
    let Some(worker) = server
        .workers
        .get_mut(beat.incarnation)
        .filter(|w| w.is_ready())
    else {
        return;
    };
    let done = WorkerUsage {
        requests: beat.requests,
        memory: beat.memory,
        age: worker.uptime(now),
    };
    let passed = worker.limits.passed(done);
    if let Some(excess) = passed.filter(|_| !fault!(server.effects, LimitsAreIgnored)) {
        worker.excess = Some(excess);
        add(server, beat.incarnation, excess.why);
    }
}

pub(super) fn add(server: &mut Server, incarnation: Incarnation, why: Retirement) {
    let ready = server
        .workers
        .get(incarnation)
        .is_some_and(|w| w.is_ready());
    let known = server
        .retirees
        .iter()
        .any(|retiree| retiree.incarnation == incarnation);
    if !ready || known || !server.keeps_up() {
        return;
    }
    let place = match why {
        // A command or a hung worker goes before queued retirements, but not before one that has begun.
        Retirement::Requested | Retirement::Hung => server.retirees.len().min(1),
        Retirement::Requests
        | Retirement::Memory
        | Retirement::Lifetime
        | Retirement::BecomesMold
        | Retirement::OlderMold => server.retirees.len(),
    };
    server.retirees.insert(
        place,
        Retiree {
            incarnation,
            why,
            begun: RecycleStarted::No,
        },
    );
}

/// `ctl restart-worker`: answered when the slot's next worker goes, or has failed to boot.
pub(super) fn restart_slot(server: &mut Server, token: Token, slot: Slot) {
    let now = server.now();
    let Some(place) = server.places.get_mut(&slot) else {
        server.reply(token, Answer::NoSuchSlot { slot });
        return;
    };
    place.waiting.push(token);
    // If no worker serves there, the operator wants to end the pause between retries.
    place.pacing.not_before = now;
    server.vacant.insert(slot);
    let generation = place.generation;
    if let Some(worker) = server.occupant(slot, generation) {
        add(server, worker.who.incarnation, Retirement::Requested);
    }
}
