//! Connections that other workers pass on.

use std::os::fd::AsFd;

use super::listeners;
use super::watching::{Accepting, TRANSFERS, Watching};
use crate::ipc::{self, HeldGeneration, TransferTake};
use crate::sys::epoll::WatchMode;
use crate::sys::{self, Audience};
use crate::worker::intake::Accepted;

/// A connection that another worker has passed on.
#[derive(PartialEq, Eq)]
enum TransferIntake {
    Taken,
    /// There is none, or this worker has ended.
    Nothing,
    /// This process has as many descriptors as it may.
    NoDescriptor,
}

/// Once, when this worker begins to accept: on each connection it would cost as much as the listeners do.
pub(super) fn watch(watching: &Watching) {
    if let Some(transfers) = &watching.own.transfers
        && let Err(error) =
            (watching.epoll).add(transfers.as_fd(), WatchMode::ReadableEdge, TRANSFERS)
    {
        tracing::error!(%error, "connections of other workers are not taken");
    }
}

/// Once: its generation is held or about to be, or may be a canary in which it has taken another worker's place.
pub(super) fn watch_previews(watching: &mut Watching) {
    if std::mem::replace(&mut watching.watches_previews, true) {
        return;
    }
    let held = watching.own.net.held.as_ref();
    for fd in held.map(HeldGeneration::notices).into_iter().flatten() {
        if let Err(error) = watching.epoll.add(fd, WatchMode::ReadableEdge, TRANSFERS) {
            tracing::error!(%error, "connections of other generations are not taken");
        }
    }
}

/// Another worker has passed connections on. All that accept see it.
pub(super) fn notice(watching: &mut Watching) {
    watching.expects_transfers = true;
    take(watching);
}

/// Takes one of them, instead of one at a listener.
pub(super) fn take(watching: &mut Watching) {
    if !watching.expects_transfers
        || watching.accepting != Accepting::Armed
        || listeners::leave_if_full(watching)
    {
        return;
    }
    match take_one(watching) {
        TransferIntake::Taken => {
            listeners::disarm(watching, Accepting::Handing);
            watching
                .pickup
                .given(sys::monotonic_ms(), watching.progress());
        }
        TransferIntake::Nothing => watching.expects_transfers = false,
        // It is still expected; another worker may take it meanwhile.
        TransferIntake::NoDescriptor => listeners::pause_for_descriptors(watching),
    }
}

/// This worker stops accepting: if no other worker of its generation accepts, it takes the connections that are passed on now.
pub(super) fn take_last(watching: &mut Watching) {
    let Some(transfers) = &watching.own.transfers else {
        return;
    };
    drop(watching.epoll.remove(transfers.as_fd()));
    if transfers.is_last() {
        while take_one(watching) == TransferIntake::Taken {}
    }
}

/// Takes one connection, of the own generation or another one.
fn take_one(watching: &Watching) -> TransferIntake {
    let own = watching.own.transfers.as_ref();
    let own = own.map_or(TransferIntake::Nothing, |own| {
        take_in(watching, || own.take())
    });
    let (TransferIntake::Nothing, Some(held)) = (&own, &watching.own.net.held) else {
        return own;
    };
    let mut found = TransferIntake::Nothing;
    if held.is_own() || serves_what_is_left(watching, held) {
        found = take_in(watching, || held.take());
    }
    if found == TransferIntake::Nothing && serves_visitors(watching, held) {
        found = take_in(watching, || held.take_back());
    }
    found
}

/// Of what the workers of a canary have passed on.
fn serves_visitors(watching: &Watching, held: &HeldGeneration) -> bool {
    watching.audience == Audience::Everybody && held.is_serving()
}

/// What was passed on to a generation that has ended meanwhile.
fn serves_what_is_left(watching: &Watching, held: &HeldGeneration) -> bool {
    watching.audience == Audience::Everybody && held.is_left()
}

/// From time to time, where that can happen.
pub(super) fn expect_what_is_left(watching: &mut Watching) {
    let held = watching.own.net.held.as_ref();
    watching.expects_transfers |= held
        .is_some_and(|held| serves_what_is_left(watching, held) || serves_visitors(watching, held));
}

fn take_in(watching: &Watching, take: impl Fn() -> ipc::Result<TransferTake>) -> TransferIntake {
    let net = &watching.own.net;
    let Some(mut room) = net.intake.open() else {
        return TransferIntake::Nothing;
    };
    let accepted = loop {
        match take() {
            Ok(TransferTake::Connection(fd, connection)) => {
                break Accepted {
                    fd,
                    peer: connection.peer,
                    listener: usize::try_from(connection.listener).unwrap_or(usize::MAX),
                    received: connection.received,
                };
            }
            Ok(TransferTake::Nothing) => return TransferIntake::Nothing,
            Ok(TransferTake::NoDescriptor) => return TransferIntake::NoDescriptor,
            Err(error) => {
                tracing::error!(%error, "connection that another worker has passed on is lost");
            }
        }
    };
    room.push_back(accepted);
    drop(room);
    net.wake.wake();
    TransferIntake::Taken
}
