//! How a worker leaves: ordered by the master, by a signal, or because the master is gone.

use std::os::fd::AsFd;
use std::time::Duration;

use super::commands::{AfterDrain, MasterCommand};
use super::watching::{Accepting, Watching};
use super::{accepting, listeners, transferring};
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

/// The master has ordered it, or is gone.
pub(super) fn drain(
    watching: &mut Watching,
    reason: DrainReason,
    graceful_ms: u64,
    after: AfterDrain,
) {
    if !watching.own.commands.is_listening() {
        sys::exit_now(0);
    }
    // Before the main thread hears of the drain.
    watching.own.commands.set_after_drain(after);
    watching.own.net.begin_drain(match reason {
        DrainReason::Removed => DrainReason::Replaced,
        reason => reason,
    });
    let armed = watching.accepting == Accepting::Armed;
    listeners::disarm(watching, Accepting::No);
    match reason {
        DrainReason::Shutdown => listeners::accept_waiting(watching, usize::MAX),
        // Other listeners go on, and more may come there than can be accepted.
        DrainReason::Removed => {
            let queue = watching.own.net.settings.backlog.saturating_add(1);
            listeners::accept_waiting(watching, usize::try_from(queue).unwrap_or(usize::MAX));
        }
        // The kernel may have woken only this worker for a connection: no other one would accept it.
        DrainReason::Replaced if armed => listeners::accept_waiting(watching, 1),
        DrainReason::Replaced => {}
    }
    accepting::stop(watching);
    begin_grace(watching, graceful_ms);
}

/// Another generation takes the slot, and may return it: in-flight requests finish, and connections close after
/// their next response. WebSockets stay.
pub(super) fn pause(watching: &mut Watching) {
    watching.own.net.drain.close_after_answers();
    let armed = watching.accepting == Accepting::Armed;
    listeners::disarm(watching, Accepting::No);
    if armed {
        // As for a replaced worker.
        listeners::accept_waiting(watching, 1);
    }
    watching.own.net.intake.listeners.lock().clear();
    watching.own.net.page.set_state(ScoreboardState::Ready);
    transferring::take_last(watching);
    // If the master is gone, the lifeline reports it.
    drop(watching.own.channel.send(&FromWorker::StoppedAccepting));
}

/// Another process than the master has sent SIGTERM (or the kernel, since the master is gone), or a hook of this one. The listeners stay
/// open as long as the master lives: it may be about to stop all workers, and then the connections in their
/// queues are to be served.
pub(super) fn leave(watching: &mut Watching) {
    let gone = wait_readable(&[watching.own.lifeline.as_fd()], Some(Duration::ZERO));
    if gone.is_ok_and(|gone| gone.contains(&true)) {
        return master_is_gone(watching);
    }
    watching.own.commands.set_after_drain(AfterDrain::Exit);
    if watching.deadline.is_some() {
        return;
    }
    if python::is_ended_by_hook() {
        tracing::info!("a hook ends the worker (worker.alive or worker.max_requests), draining");
    } else {
        tracing::info!("SIGTERM received, draining");
    }
    watching.own.net.begin_drain(DrainReason::Replaced);
    watching.own.net.page.set_state(ScoreboardState::Draining);
    listeners::disarm(watching, Accepting::No);
    transferring::take_last(watching);
    watching.own.net.intake.listeners.lock().clear();
    begin_grace(watching, millis(watching.own.net.settings.graceful_timeout));
}

/// Nothing is accepted any more: notifies the master, and passes the command to the main thread.
fn begin_grace(watching: &mut Watching, graceful_ms: u64) {
    // If the master is gone, there is no process that waits for this.
    drop(watching.own.channel.send(&FromWorker::StoppedAccepting));
    let Grace { requests, whole } = Grace::of(graceful_ms);
    let now = sys::monotonic_ms();
    let end = end_by(watching, now + whole);
    watching.own.commands.give(MasterCommand::Drain {
        until: now + requests,
        end,
    });
    watching.own.net.wake.wake();
}

/// The process exits then at the latest; an order never extends the time that one before it has left. Returns that time.
fn end_by(watching: &mut Watching, deadline: u64) -> u64 {
    let earliest = watching.deadline.map_or(deadline, |d| d.min(deadline));
    watching.deadline = Some(earliest);
    earliest
}

/// Running requests are cancelled.
pub(super) fn stop_fast(watching: &mut Watching) {
    if !watching.own.commands.is_listening() {
        sys::exit_now(0);
    }
    watching.own.commands.set_after_drain(AfterDrain::Exit);
    watching.own.net.begin_drain(DrainReason::Shutdown);
    accepting::stop(watching);
    let now = sys::monotonic_ms();
    let end = end_by(watching, now + FAST_MS);
    watching.own.commands.give(match watching.audience {
        Audience::Everybody => MasterCommand::Fast { end },
        // Its generation is removed, not the server stopped: requests of a preview may end.
        Audience::Preview => MasterCommand::Drain {
            until: now + FAST_MS * 2 / 5,
            end,
        },
    });
    watching.own.net.wake.wake();
}

/// A restarted master must be able to bind: the listeners are closed first, emptied by the first worker that
/// does, then in-flight requests finish.
pub(super) fn master_is_gone(watching: &mut Watching) {
    drop(watching.epoll.remove(watching.own.lifeline.as_fd()));
    if watching.deadline.is_some() && watching.own.listeners.is_empty() {
        return;
    }
    tracing::error!("the master is gone, shutting down");
    if watching.accepting == Accepting::Stuck {
        // Other workers can serve the connections in the queues.
        accepting::stop(watching);
    }
    drain(
        watching,
        DrainReason::Shutdown,
        millis(watching.own.net.settings.graceful_timeout),
        AfterDrain::Exit,
    );
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
