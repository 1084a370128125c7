//! The ways in which a worker leaves: asked by the master, by a signal, or because the master is gone. It finishes no request.

use std::os::fd::AsFd;
use std::time::Duration;

use super::{Accepting, Command, Watching};
use crate::ipc::{DrainReason, FromWorker, State};
use crate::sys::{self, wait_readable};
use crate::worker::network::millis;

/// What a fast stop takes at the most.
const FAST_MS: u64 = 5_000;

/// How a graceful stop is divided, in milliseconds. Cancelled requests and Python's own end (lifespan, atexit hooks,
/// threads) have to fit into the timeout too: whoever sent SIGTERM sends SIGKILL soon after it.
#[derive(Debug, PartialEq, Eq)]
struct Grace {
    /// Requests may run so long.
    requests: u64,
    /// The process ends here, whatever Python does.
    whole: u64,
}

impl Grace {
    fn of(graceful_ms: u64) -> Self {
        // Below two seconds the end gets half a second on top, or nothing could come to its end in order.
        let whole = graceful_ms.max((graceful_ms + 500).min(2_000));
        let end = (graceful_ms / 10).clamp(300, 2_000);
        Self {
            requests: graceful_ms.min(whole.saturating_sub(end)),
            whole,
        }
    }
}

impl Watching {
    pub(super) fn drain(&mut self, reason: DrainReason, graceful_ms: u64) {
        if !self.own.orders.is_listening() {
            sys::exit_now(0);
        }
        self.own.net.begin_drain(match reason {
            DrainReason::Removed => DrainReason::Replaced,
            reason => reason,
        });
        let armed = self.accepting == Accepting::Armed;
        self.disarm(Accepting::No);
        match reason {
            DrainReason::Shutdown | DrainReason::Removed => self.empty_accept_queues(usize::MAX),
            // The kernel may have woken this worker alone for a connection: nobody else would come for it.
            DrainReason::Replaced if armed => self.empty_accept_queues(1),
            DrainReason::Replaced => {}
        }
        self.stop_accepting();
        self.begin_grace(graceful_ms);
    }

    /// Another generation takes the slot, and may give it back: what is here is finished, and connections end with their next
    /// answer. WebSockets stay.
    pub(super) fn pause(&mut self) {
        self.own.net.drain.close_after_answers();
        let armed = self.accepting == Accepting::Armed;
        self.disarm(Accepting::No);
        if armed {
            // As for a replaced worker.
            self.empty_accept_queues(1);
        }
        self.own.net.intake.listeners.lock().clear();
        self.own.net.page.set_state(State::Ready);
        // When the master is gone, the lifeline says so.
        drop(self.own.channel.send(&FromWorker::StoppedAccepting));
    }

    /// Somebody else than the master says so (or the kernel, since the master is gone). The listeners stay open as long as the
    /// master lives: it may be about to say that all are to go, and then what is in their queues is to be served.
    pub(super) fn leave(&mut self) {
        let gone = wait_readable(&[self.own.lifeline.as_fd()], Some(Duration::ZERO));
        if gone.is_ok_and(|gone| gone.contains(&true)) {
            return self.master_is_gone();
        }
        if self.deadline.is_some() {
            return;
        }
        tracing::info!("SIGTERM received, draining");
        self.own.net.begin_drain(DrainReason::Replaced);
        self.disarm(Accepting::No);
        self.own.net.intake.listeners.lock().clear();
        self.begin_grace(millis(self.own.net.settings.graceful_timeout));
    }

    /// Nothing is accepted any more: the master learns it, and the main thread what it has to do.
    pub(super) fn begin_grace(&mut self, graceful_ms: u64) {
        // The master may be gone by now, and then nobody waits for this.
        drop(self.own.channel.send(&FromWorker::StoppedAccepting));
        let Grace { requests, whole } = Grace::of(graceful_ms);
        let now = sys::monotonic_ms();
        self.end_by(now + whole);
        self.own.orders.give(Command::Drain {
            until: now + requests,
            end: now + whole,
        });
        self.own.net.wake.wake();
    }

    pub(super) fn end_by(&mut self, deadline: u64) {
        self.deadline = Some(self.deadline.map_or(deadline, |d| d.min(deadline)));
    }

    pub(super) fn stop_fast(&mut self) {
        if !self.own.orders.is_listening() {
            sys::exit_now(0);
        }
        self.own.net.begin_drain(DrainReason::Shutdown);
        self.stop_accepting();
        let end = sys::monotonic_ms() + FAST_MS;
        self.end_by(end);
        self.own.orders.give(Command::Fast { end });
        self.own.net.wake.wake();
    }

    /// A restarted master must be able to bind: the listeners go first, emptied by whoever of the workers is first, then the
    /// work in flight.
    pub(super) fn master_is_gone(&mut self) {
        drop(self.epoll.remove(self.own.lifeline.as_fd()));
        if self.deadline.is_some() && self.own.listeners.is_empty() {
            return;
        }
        tracing::error!("the master is gone, shutting down");
        if self.accepting == Accepting::Stuck {
            // Others can serve what is in the queues.
            self.stop_accepting();
        }
        self.drain(
            DrainReason::Shutdown,
            millis(self.own.net.settings.graceful_timeout),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_graceful_stop_fits_into_its_timeout() {
        for (timeout, requests, whole) in [
            (0, 0, 500),
            (1_000, 1_000, 1_500),
            (1_500, 1_500, 2_000),
            (2_000, 1_700, 2_000),
            (3_000, 2_700, 3_000),
            (8_000, 7_200, 8_000),
            (30_000, 28_000, 30_000),
            (600_000, 598_000, 600_000),
        ] {
            assert_eq!(Grace::of(timeout), Grace { requests, whole }, "{timeout}");
        }
    }
}
