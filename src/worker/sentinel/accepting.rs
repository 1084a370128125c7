//! Accepting: which connections this worker takes, and when it leaves them to other workers.

use std::os::fd::AsFd;

use super::listeners::{self, BACK_OFF_MS, LEFT_OVER_MS};
use super::transferring;
use super::watching::{Accepting, Watching};
use crate::ipc::ScoreboardState;
use crate::sys::epoll::WatchMode;
use crate::sys::{self, Audience, stream};

/// Interval of the checks whether the worker returns to its reactor.
const LOOK_MS: u64 = 750;
/// Maximum number of those accepted at once.
const LEFT_OVER: usize = 16;

/// Accepts at the listeners of a preview, before its generation serves.
pub(super) fn preview(watching: &mut Watching) {
    watching.audience = Audience::Preview;
    if watching.own.net.held.is_some() {
        // A kept connection's next request may not ask for this generation.
        watching.own.net.drain.close_after_answers();
        transferring::watch_previews(watching);
    }
    begin(watching);
}

/// Accepts for everybody from here on.
pub(super) fn go(watching: &mut Watching) {
    if watching.audience == Audience::Preview {
        // Preview connections that wait in the queue are served.
        listeners::disarm(watching, Accepting::No);
        listeners::accept_waiting(watching, usize::MAX);
        watching.audience = Audience::Everybody;
    }
    // They are the last ones: the others keep their index.
    watching
        .own
        .listeners
        .retain(|listener| listener.audience == Audience::Everybody);
    watching.own.net.drain.keep_open_after_answers();
    watching.own.net.page.set_state(ScoreboardState::Accepting);
    listeners::listen(watching);
    transferring::watch(watching);
    transferring::watch_previews(watching);
    begin(watching);
}

fn begin(watching: &mut Watching) {
    let open = watching.open().map(|(n, listener)| (n, listener.clone()));
    *watching.own.net.intake.listeners.lock() = open.collect();
    arm(watching);
}

/// Adds the listeners to the epoll (again): at the end of the kernel's wait queue, which makes it fair.
pub(super) fn arm(watching: &mut Watching) {
    if watching.own.net.app().awaits_room() {
        listeners::fill(watching);
        return;
    }
    watching.accepting = Accepting::Armed;
    for (n, listener) in watching.open() {
        if let Err(error) =
            watching
                .epoll
                .add(listener.fd.as_fd(), WatchMode::ReadableExclusive, n as u64)
        {
            tracing::error!(%error, address = %listener.address, "listener cannot be watched");
        }
    }
    watching
        .own
        .net
        .page
        .set_room(watching.audience == Audience::Everybody);
    transferring::take(watching);
}

/// A worker that has not returned to its reactor for `LOOK_MS` gets no connection that another one could accept.
/// uvloop does not say when it sleeps: there a turn in each interval is the only sign of life.
pub(super) fn look_at_the_worker(watching: &mut Watching) {
    let now = sys::monotonic_ms();
    if now < watching.look_at {
        return;
    }
    // After a time without checks, or one in which the whole process stood still, the turns say nothing yet.
    let is_late = now > watching.look_at + LOOK_MS;
    watching.look_at = now + LOOK_MS;
    let turns = watching.own.net.clock.turns();
    let asleep = turns % 2 == 1;
    let stuck = !asleep && !is_late && turns == watching.seen_turns;
    watching.seen_turns = turns;
    match watching.accepting {
        Accepting::Armed if stuck => listeners::leave_to_others(watching),
        // A worker that was woken for a connection and could not accept it (it was full, or just killed) cannot
        // pass the wake-up on: the others check from time to time.
        Accepting::Armed => {
            transferring::expect_what_is_left(watching);
            listeners::disarm(watching, Accepting::No);
            arm(watching);
        }
        Accepting::Stuck
        | Accepting::No
        | Accepting::Handing
        | Accepting::Full
        | Accepting::BackOff(_) => {}
    }
}

/// Accepts connections that have waited while every worker is busy. Without this, clients with keepalive
/// connections and a steady flow of requests would keep out all others.
pub(super) fn take_left_over(watching: &mut Watching, now: u64) {
    watching.left_over_at = now + LEFT_OVER_MS;
    let completed = watching.own.net.app().completed();
    if std::mem::replace(&mut watching.completed, completed) == completed {
        // Stuck, or in a long request: accepting would not help them.
        return;
    }
    listeners::accept_waiting(watching, LEFT_OVER);
}

/// A connection waits at the listener of that index.
pub(super) fn accept(watching: &mut Watching, index: usize) {
    if watching.accepting != Accepting::Armed || listeners::leave_if_full(watching) {
        return;
    }
    let Some(listener) = watching.own.listeners.get(index) else {
        return;
    };
    match listeners::take_from(watching, index, listener) {
        Ok(()) => {
            listeners::disarm(watching, Accepting::Handing);
            watching
                .pickup
                .given(sys::monotonic_ms(), watching.progress());
        }
        Err(e)
            if matches!(
                e.raw_os_error(),
                Some(sys::stream::EMFILE | sys::stream::ENFILE)
            ) =>
        {
            listeners::pause_for_descriptors(watching);
        }
        // Another worker was faster, or the client disconnected before it was accepted.
        Err(e) if stream::is_of_one_connection(&e) => {}
        // The listener would be reported again at once, repeatedly.
        Err(e) => {
            let now = sys::monotonic_ms();
            if watching.own.net.log_throttle.admits("accept fails", now) {
                tracing::warn!(error = %e, address = %listener.address, "no connection can be accepted, accepting pauses");
            }
            listeners::disarm(watching, Accepting::BackOff(now + BACK_OFF_MS));
        }
    }
}

/// No connection is accepted any more.
pub(super) fn stop(watching: &mut Watching) {
    watching.own.net.page.set_state(ScoreboardState::Draining);
    listeners::disarm(watching, Accepting::No);
    transferring::take_last(watching);
    watching.own.net.intake.listeners.lock().clear();
    watching.own.listeners.clear();
}
