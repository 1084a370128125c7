//! Connections that this worker passes on to others, because its app does not get to them.

use std::os::fd::{AsFd, BorrowedFd};

use super::listeners;
use super::watching::{Accepting, Watching};
use crate::ipc::{MOST_RECEIVED, ScoreboardState, Transferred, Transfers};
use crate::sys;
use crate::worker::intake::Accepted;

/// What the app does not get to within a moment is passed on, as far as another worker has room. The rest stays, and is
/// looked at again: the app may return before one has.
pub(super) fn look_at_waiting(watching: &mut Watching) {
    let Some(due) = watching.pickup.due() else {
        return;
    };
    let now = sys::monotonic_ms();
    if now < due {
        return;
    }
    let net = &watching.own.net;
    let waits = || !net.intake.is_empty() || net.app().has_waiting();
    let progress = watching.progress();
    if !watching.pickup.is_overdue(now, progress, waits) {
        return;
    }
    match watching.accepting {
        Accepting::Armed | Accepting::Handing if watching.own.net.app().awaits_room() => {
            listeners::disarm(watching, Accepting::No);
            listeners::fill(watching);
        }
        Accepting::Armed | Accepting::Handing => listeners::leave_to_others(watching),
        Accepting::No | Accepting::Stuck | Accepting::Full | Accepting::BackOff(_) => {}
    }
    pass_on(watching);
}

fn pass_on(watching: &Watching) {
    let net = &watching.own.net;
    let Some(transfers) = &watching.own.transfers else {
        return;
    };
    // Not while it drains, nor the connections of a preview.
    if net.page.state() != Some(ScoreboardState::Accepting) || !transfers.others_have_room() {
        return;
    }
    loop {
        let Some(accepted) = net.intake.next() else {
            break;
        };
        let Accepted {
            fd,
            peer,
            listener,
            received,
        } = accepted;
        let connection = Transferred {
            listener: u32::try_from(listener).unwrap_or(u32::MAX),
            peer,
            received,
        };
        if !give(watching, transfers, fd.as_fd(), &connection) {
            let received = connection.received;
            if let Some(mut room) = net.intake.open() {
                room.push_front(Accepted {
                    fd,
                    peer,
                    listener,
                    received,
                });
            }
            return;
        }
    }
    watching.own.requests.pass_on(&mut |request| {
        (request.exchange).transfer(request.head, &request.body, |fd, connection| {
            give(watching, transfers, fd, &connection)
        })
    });
    // A request may have been returned to the app's queue after the loop had looked there.
    net.wake.wake();
}

fn give(
    watching: &Watching,
    transfers: &Transfers,
    fd: BorrowedFd<'_>,
    connection: &Transferred,
) -> bool {
    if connection.received.len() > MOST_RECEIVED {
        return false;
    }
    transfers.give(fd, connection).unwrap_or_else(|error| {
        if (watching.own.net.log_throttle).admits("connection not passed on", sys::monotonic_ms()) {
            tracing::warn!(%error, "connection not passed on to another worker");
        }
        false
    })
}
