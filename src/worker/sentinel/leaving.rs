//! How a worker leaves: ordered by the master, by a signal, or because the master is gone.

use std::os::fd::AsFd;
use std::time::Duration;

use super::{Accepting, AfterDrain, MasterCommand, Watching};
use crate::ipc::{DrainReason, FromWorker, ScoreboardState};
use crate::sys::{self, Audience, wait_readable};
use crate::worker::network::millis;
use crate::worker::python;

/// Maximum duration of a fast stop.
const FAST_MS: u64 = 5_000;

/// The phases of a graceful stop, in milliseconds. Cancelled requests and Python's own shutdown (lifespan, atexit
/// hooks, threads) have to fit into the timeout too: a SIGTERM is followed by SIGKILL soon after it.
#[derive(Debug, PartialEq, Eq)]
struct Grace {
    /// Requests may run this long.
    requests: u64,
    /// The process exits then, whatever Python does.
    whole: u64,
}

impl Grace {
    fn of(graceful_ms: u64) -> Self {
        // Below two seconds the shutdown gets half a second on top, or it could not complete in order.
        let whole = graceful_ms.max((graceful_ms + 500).min(2_000));
        let end = (graceful_ms / 10).clamp(300, 2_000);
        Self {
            requests: graceful_ms.min(whole.saturating_sub(end)),
            whole,
        }
    }
}

impl Watching {
    pub(super) fn drain(&mut self, reason: DrainReason, graceful_ms: u64, after: AfterDrain) {
        if !self.own.commands.is_listening() {
            sys::exit_now(0);
        }
        // Before the main thread hears of the drain.
        self.own.commands.set_after_drain(after);
        self.own.net.begin_drain(match reason {
            DrainReason::Removed => DrainReason::Replaced,
            reason => reason,
        });
        let armed = self.accepting == Accepting::Armed;
        self.disarm(Accepting::No);
        match reason {
            DrainReason::Shutdown => self.accept_waiting(usize::MAX),
            // Other listeners go on, and more may come there than can be accepted.
            DrainReason::Removed => {
                let queue = self.own.net.settings.backlog.saturating_add(1);
                self.accept_waiting(usize::try_from(queue).unwrap_or(usize::MAX));
            }
            // The kernel may have woken only this worker for a connection: no other one would accept it.
            DrainReason::Replaced if armed => self.accept_waiting(1),
            DrainReason::Replaced => {}
        }
        self.stop_accepting();
        self.begin_grace(graceful_ms);
    }

    /// Another generation takes the slot, and may return it: in-flight requests finish, and connections close after
    /// their next response. WebSockets stay.
    pub(super) fn pause(&mut self) {
        self.own.net.drain.close_after_answers();
        let armed = self.accepting == Accepting::Armed;
        self.disarm(Accepting::No);
        if armed {
            // As for a replaced worker.
            self.accept_waiting(1);
        }
        self.own.net.intake.listeners.lock().clear();
        self.own.net.page.set_state(ScoreboardState::Ready);
        self.take_last_transfers();
        // If the master is gone, the lifeline reports it.
        drop(self.own.channel.send(&FromWorker::StoppedAccepting));
    }

    /// Another process than the master has sent SIGTERM (or the kernel, since the master is gone), or a hook of this one. The listeners stay
    /// open as long as the master lives: it may be about to stop all workers, and then the connections in their
    /// queues are to be served.
    pub(super) fn leave(&mut self) {
        let gone = wait_readable(&[self.own.lifeline.as_fd()], Some(Duration::ZERO));
        if gone.is_ok_and(|gone| gone.contains(&true)) {
            return self.master_is_gone();
        }
        self.own.commands.set_after_drain(AfterDrain::Exit);
        if self.deadline.is_some() {
            return;
        }
        if python::is_ended_by_hook() {
            tracing::info!(
                "a hook ends the worker (worker.alive or worker.max_requests), draining"
            );
        } else {
            tracing::info!("SIGTERM received, draining");
        }
        self.own.net.begin_drain(DrainReason::Replaced);
        self.own.net.page.set_state(ScoreboardState::Draining);
        self.disarm(Accepting::No);
        self.take_last_transfers();
        self.own.net.intake.listeners.lock().clear();
        self.begin_grace(millis(self.own.net.settings.graceful_timeout));
    }

    /// Nothing is accepted any more: notifies the master, and passes the command to the main thread.
    pub(super) fn begin_grace(&mut self, graceful_ms: u64) {
        // If the master is gone, there is no process that waits for this.
        drop(self.own.channel.send(&FromWorker::StoppedAccepting));
        let Grace { requests, whole } = Grace::of(graceful_ms);
        let now = sys::monotonic_ms();
        let end = self.end_by(now + whole);
        self.own.commands.give(MasterCommand::Drain {
            until: now + requests,
            end,
        });
        self.own.net.wake.wake();
    }

    /// The process exits then at the latest; an order never extends the time that one before it has left. Returns that time.
    pub(super) fn end_by(&mut self, deadline: u64) -> u64 {
        let earliest = self.deadline.map_or(deadline, |d| d.min(deadline));
        self.deadline = Some(earliest);
        earliest
    }

    pub(super) fn stop_fast(&mut self) {
        if !self.own.commands.is_listening() {
            sys::exit_now(0);
        }
        self.own.commands.set_after_drain(AfterDrain::Exit);
        self.own.net.begin_drain(DrainReason::Shutdown);
        self.stop_accepting();
        let now = sys::monotonic_ms();
        let end = self.end_by(now + FAST_MS);
        self.own.commands.give(match self.audience {
            Audience::Everybody => MasterCommand::Fast { end },
            // Its generation is removed, not the server stopped: requests of a preview may end.
            Audience::Preview => MasterCommand::Drain {
                until: now + FAST_MS * 2 / 5,
                end,
            },
        });
        self.own.net.wake.wake();
    }

    /// A restarted master must be able to bind: the listeners are closed first, emptied by the first worker that
    /// does, then in-flight requests finish.
    pub(super) fn master_is_gone(&mut self) {
        drop(self.epoll.remove(self.own.lifeline.as_fd()));
        if self.deadline.is_some() && self.own.listeners.is_empty() {
            return;
        }
        tracing::error!("the master is gone, shutting down");
        if self.accepting == Accepting::Stuck {
            // Other workers can serve the connections in the queues.
            self.stop_accepting();
        }
        self.drain(
            DrainReason::Shutdown,
            millis(self.own.net.settings.graceful_timeout),
            AfterDrain::Exit,
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
