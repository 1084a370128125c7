//! The memory that a rollout has for its next batch: measured before each, and again while it does not suffice.

use super::mutation::fault;
use super::reload_state::Room;
use super::server::Server;
use super::worker::{Worker, WorkerLife};
use super::{Action, Moment};

/// Called before each batch.
pub(super) fn ask(server: &mut Server) {
    if let Some(rollout) = server.reload.rollout_mut() {
        rollout.room = Room::Asked;
        server.act(Action::MeasureMemory);
    }
}

/// Some worker is about to exit, and to free memory.
pub(super) fn will_grow(server: &Server) -> bool {
    !fault!(server.effects, LeavingIsNotAwaited) && server.workers.values().any(|w| !w.stays())
}

pub(super) fn deadline(server: &Server) -> Option<Moment> {
    match server.reload.rollout()?.room {
        Room::NotYet { again } => Some(again),
        Room::Asked | Room::For { .. } => None,
    }
}

pub(super) fn enforce(server: &mut Server) {
    if deadline(server).is_some_and(|again| again <= server.now()) {
        ask(server);
    }
}

/// Workers of a rolled-back generation are exiting, and hold memory that others need. Without a limit there is no
/// need to wait for that.
pub(super) fn is_being_freed(server: &Server) -> bool {
    if server.memory.is_none() || fault!(server.effects, RespawnDuringRollback) {
        return false;
    }
    let coming = server.reload.generation();
    let leaves = |w: &Worker| {
        matches!(
            w.life,
            WorkerLife::Terminated { .. } | WorkerLife::Stopping { .. }
        ) && w.who.generation > server.generation
            && Some(w.who.generation) != coming
    };
    server.workers.values().any(leaves)
}
