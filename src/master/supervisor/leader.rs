//! The leader: the one worker for work that must run once. It serves in the first slot; while that slot has no serving worker,
//! the next slot that has one leads.

use std::cmp::Reverse;

use super::mutation::fault;
use super::server::Server;
use super::worker::{Worker, WorkerLife};
use super::{Action, Incarnation, Slot};

/// Announces a change of the leader.
pub(super) fn choose(server: &mut Server) {
    let leader = best(server);
    if leader != server.leader {
        server.leader = leader;
        server.act(Action::Lead { leader });
    }
}

fn best(server: &Server) -> Option<Incarnation> {
    let leader = server.leader.and_then(|leader| server.workers.get(leader));
    let is_first = |w: &&Worker| {
        w.life == WorkerLife::Serving
            && w.who.slot == Slot(0)
            && w.who.generation == server.generation
    };
    // Most often nothing has changed.
    if leader.is_some_and(|leader| is_first(&leader)) {
        return server.leader;
    }
    let serving = server
        .workers
        .values()
        .filter(|w| w.life == WorkerLife::Serving);
    let best = serving.min_by_key(|w| {
        let other = w.who.generation != server.generation;
        (other, w.who.slot, Reverse(w.who.incarnation))
    });
    // In the middle of a switch no worker serves: the old one leads until the new ones get `Go`.
    let stays = leader.map(|leader| leader.who.incarnation);
    if fault!(server.effects, LeaderIsNeverReplaced) && stays.is_some() {
        return stays;
    }
    best.map(|worker| worker.who.incarnation).or(stays)
}
