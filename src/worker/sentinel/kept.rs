//! Requests on connections that a worker has kept, while its app is blocked: new connections are left to other workers then, and
//! these requests are passed on to them.

use super::watching::{Accepting, Watching};
use crate::ipc::ScoreboardState;
use crate::sys;
use crate::worker::network::TakenBeside;

/// Interval of the looks at them.
const LOOK_MS: u64 = 10;

/// `None`: the app is not blocked, or no other worker could take them.
pub(super) fn due(watching: &Watching) -> Option<u64> {
    let blocked = match watching.accepting {
        Accepting::Stuck | Accepting::Full => true,
        Accepting::No | Accepting::Armed | Accepting::Handing | Accepting::BackOff(_) => false,
    };
    (blocked && watching.own.transfers.is_some()).then_some(watching.kept_at)
}

/// The connections of a blocked event loop are read here. In a WSGI worker a standby thread reads them.
pub(super) fn look(watching: &mut Watching) {
    let now = sys::monotonic_ms();
    if due(watching).is_none_or(|due| now < due) {
        return;
    }
    watching.kept_at = now + LOOK_MS;
    let net = &watching.own.net;
    let is_unread = watching.accepting == Accepting::Stuck;
    if !is_unread && !net.app().has_waiting() {
        return;
    }
    let others = watching.own.transfers.as_ref();
    let is_serving = net.page.state() == Some(ScoreboardState::Accepting);
    if !is_serving || !others.is_some_and(|others| others.others_have_room()) {
        return;
    }
    if is_unread {
        net.app().attend(TakenBeside::Kept);
        // The app's next turn finds what was queued meanwhile.
        net.wake.wake();
    }
    if net.app().has_waiting() {
        watching.pickup.given(now, watching.progress());
    }
}
