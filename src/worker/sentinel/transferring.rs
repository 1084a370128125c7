//! Connections that this worker passes on to others, because its app does not get to them, and those that others pass on.

use std::os::fd::{AsFd, BorrowedFd};
use std::sync::atomic::Ordering::Relaxed;

use super::{Accepting, TRANSFERS, Watching};
use crate::ipc::{
    self, HeldGeneration, MOST_RECEIVED, ScoreboardState, TransferTake, Transferred, Transfers,
};
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

impl Watching {
    /// The app's progress: of the event loop, or of the threads.
    pub(super) fn progress(&self) -> u64 {
        let net = &self.own.net;
        net.app().progress(net.clock.turns())
    }

    /// What the app does not get to within a moment is passed on, as far as another worker has room. The rest stays, and is
    /// looked at again: the app may return before one has.
    pub(super) fn look_at_waiting(&mut self) {
        let Some(due) = self.pickup.due() else {
            return;
        };
        let now = sys::monotonic_ms();
        if now < due {
            return;
        }
        let net = &self.own.net;
        let waits = || !net.intake.is_empty() || net.app().has_waiting();
        let progress = self.progress();
        if !self.pickup.is_overdue(now, progress, waits) {
            return;
        }
        match self.accepting {
            Accepting::Armed | Accepting::Handing if self.own.net.app().awaits_room() => {
                self.disarm(Accepting::No);
                self.fill();
            }
            Accepting::Armed | Accepting::Handing => self.leave_to_others(),
            Accepting::No | Accepting::Stuck | Accepting::Full | Accepting::BackOff(_) => {}
        }
        self.pass_on();
    }

    /// The listeners are left to other workers until the reactor turns.
    pub(super) fn leave_to_others(&mut self) {
        self.disarm(Accepting::Stuck);
        self.own.net.intake.awaits_turn.store(true, Relaxed);
        // uvloop turns it only for a reason.
        self.own.net.wake.wake();
    }

    fn pass_on(&self) {
        let net = &self.own.net;
        let Some(transfers) = &self.own.transfers else {
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
            if !self.give(transfers, fd.as_fd(), &connection) {
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
        self.own.requests.pass_on(&mut |request| {
            (request.exchange).transfer(request.head, &request.body, |fd, connection| {
                self.give(transfers, fd, &connection)
            })
        });
        // A request may have been returned to the app's queue after the loop had looked there.
        net.wake.wake();
    }

    fn give(&self, transfers: &Transfers, fd: BorrowedFd<'_>, connection: &Transferred) -> bool {
        if connection.received.len() > MOST_RECEIVED {
            return false;
        }
        transfers.give(fd, connection).unwrap_or_else(|error| {
            if (self.own.net.log_throttle).admits("connection not passed on", sys::monotonic_ms()) {
                tracing::warn!(%error, "connection not passed on to another worker");
            }
            false
        })
    }

    /// Once, when this worker begins to accept: on each connection it would cost as much as the listeners do.
    pub(super) fn watch_transfers(&self) {
        if let Some(transfers) = &self.own.transfers
            && let Err(error) =
                (self.epoll).add(transfers.as_fd(), WatchMode::ReadableEdge, TRANSFERS)
        {
            tracing::error!(%error, "connections of other workers are not taken");
        }
    }

    /// Once: its generation is held or about to be, or may be a canary in which it has taken another worker's place.
    pub(super) fn watch_previews(&mut self) {
        if std::mem::replace(&mut self.watches_previews, true) {
            return;
        }
        let held = self.own.net.held.as_ref();
        for fd in held.map(HeldGeneration::notices).into_iter().flatten() {
            if let Err(error) = self.epoll.add(fd, WatchMode::ReadableEdge, TRANSFERS) {
                tracing::error!(%error, "connections of other generations are not taken");
            }
        }
    }

    /// Another worker has passed connections on. All that accept see it.
    pub(super) fn notice_transfer(&mut self) {
        self.expects_transfers = true;
        self.take_transfer();
    }

    /// Takes one of them, instead of one at a listener.
    pub(super) fn take_transfer(&mut self) {
        if !self.expects_transfers || self.accepting != Accepting::Armed || self.leave_if_full() {
            return;
        }
        match self.take_in_transfer() {
            TransferIntake::Taken => {
                self.disarm(Accepting::Handing);
                self.pickup.given(sys::monotonic_ms(), self.progress());
            }
            TransferIntake::Nothing => self.expects_transfers = false,
            // It is still expected; another worker may take it meanwhile.
            TransferIntake::NoDescriptor => self.pause_for_descriptors(),
        }
    }

    /// This worker stops accepting: if no other worker of its generation accepts, it takes the connections that are passed on now.
    pub(super) fn take_last_transfers(&mut self) {
        let Some(transfers) = &self.own.transfers else {
            return;
        };
        drop(self.epoll.remove(transfers.as_fd()));
        if transfers.is_last() {
            while self.take_in_transfer() == TransferIntake::Taken {}
        }
    }

    fn take_in_transfer(&self) -> TransferIntake {
        let own = self.own.transfers.as_ref();
        let own = own.map_or(TransferIntake::Nothing, |own| self.take_in(|| own.take()));
        let (TransferIntake::Nothing, Some(held)) = (&own, &self.own.net.held) else {
            return own;
        };
        let mut found = TransferIntake::Nothing;
        if held.is_own() || self.serves_what_is_left(held) {
            found = self.take_in(|| held.take());
        }
        if found == TransferIntake::Nothing && self.serves_visitors(held) {
            found = self.take_in(|| held.take_back());
        }
        found
    }

    /// Of what the workers of a canary have passed on.
    fn serves_visitors(&self, held: &HeldGeneration) -> bool {
        self.audience == Audience::Everybody && held.is_serving()
    }

    /// What was passed on to a generation that has ended meanwhile.
    fn serves_what_is_left(&self, held: &HeldGeneration) -> bool {
        self.audience == Audience::Everybody && held.is_left()
    }

    /// From time to time, where that can happen.
    pub(super) fn expect_what_is_left(&mut self) {
        let held = self.own.net.held.as_ref();
        self.expects_transfers |=
            held.is_some_and(|held| self.serves_what_is_left(held) || self.serves_visitors(held));
    }

    fn take_in(&self, take: impl Fn() -> ipc::Result<TransferTake>) -> TransferIntake {
        let net = &self.own.net;
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
}
