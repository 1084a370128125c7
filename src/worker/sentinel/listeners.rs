//! The listeners as this thread uses them: whether it watches them, and what it takes there.

use std::io;
use std::os::fd::AsFd;
use std::sync::atomic::Ordering::{Relaxed, SeqCst};

use super::watching::{Accepting, Watching};
use crate::config::PortSharing;
use crate::sys::{self, Listener, stream};
use crate::worker::intake::Accepted;

/// How long the listeners are ignored after an error, such as no more descriptors.
pub(super) const BACK_OFF_MS: u64 = 100;
/// Interval at which a full worker, whose requests make progress, checks for connections that no other worker has
/// accepted.
pub(super) const LEFT_OVER_MS: u64 = 10;

/// With `--reuse-port`, starts to listen on the slot's own sockets, which the master only binds.
pub(super) fn listen(watching: &Watching) {
    if watching.own.net.settings.port_sharing == PortSharing::None {
        return;
    }
    for listener in &watching.own.listeners {
        if let Err(error) = listener.listen(watching.own.net.settings.backlog) {
            tracing::error!(%error, "cannot listen on the slot's socket");
        }
    }
}

/// Watches them no longer; `accepting` is the state from here on.
pub(super) fn disarm(watching: &mut Watching, accepting: Accepting) {
    if watching.accepting == Accepting::Armed {
        for (_, listener) in watching.open() {
            drop(watching.epoll.remove(listener.fd.as_fd()));
        }
        watching.own.net.page.set_room(false);
    }
    watching.accepting = accepting;
}

/// The app has no room.
pub(super) fn fill(watching: &mut Watching) {
    watching.accepting = Accepting::Full;
    let now = sys::monotonic_ms();
    watching.left_over_at = now + LEFT_OVER_MS;
    watching.pickup.expected(now);
}

/// A connection that this worker could not serve at once is left to another one.
pub(super) fn leave_if_full(watching: &mut Watching) -> bool {
    let full = watching.accepting == Accepting::Armed && watching.own.net.app().awaits_room();
    if full {
        disarm(watching, Accepting::Full);
        fill(watching);
    }
    full
}

/// Accepts one connection for the reactor. `WouldBlock`: none waits, or the worker has ended.
pub(super) fn take_from(watching: &Watching, index: usize, listener: &Listener) -> io::Result<()> {
    let net = &watching.own.net;
    let mut room = net.intake.open().ok_or(io::ErrorKind::WouldBlock)?;
    let (fd, peer) = stream::accept(listener.fd.as_fd())?;
    room.push_back(Accepted {
        fd,
        peer,
        listener: index,
        received: Vec::new(),
    });
    drop(room);
    net.wake.wake();
    Ok(())
}

/// Accepts connections that the kernel has completed: up to so many of each listener.
pub(super) fn accept_waiting(watching: &Watching, most: usize) {
    for (n, listener) in watching.open() {
        for _ in 0..most {
            if take_from(watching, n, listener).is_err() {
                break;
            }
        }
    }
}

/// There are no more descriptors: the reactor closes idle connections for them.
pub(super) fn pause_for_descriptors(watching: &mut Watching) {
    let (net, now) = (&watching.own.net, sys::monotonic_ms());
    if net.log_throttle.admits("out of descriptors", now) {
        tracing::warn!("out of descriptors, accepting pauses");
    }
    net.intake.wants_descriptors.store(true, SeqCst);
    net.wake.wake();
    disarm(watching, Accepting::BackOff(now + BACK_OFF_MS));
}

/// The listeners are left to other workers until the reactor turns.
pub(super) fn leave_to_others(watching: &mut Watching) {
    disarm(watching, Accepting::Stuck);
    watching.own.net.intake.awaits_turn.store(true, Relaxed);
    // uvloop turns it only for a reason.
    watching.own.net.wake.wake();
}
