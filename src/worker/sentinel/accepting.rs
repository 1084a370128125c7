//! Accepting: which connections this worker takes, and when it leaves them to other workers.

use std::io;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;

use super::{LOOK_MS, Watching};
use crate::config::PortSharing;
use crate::ipc::ScoreboardState;
use crate::sys::epoll::WatchMode;
use crate::sys::{self, Audience, Listener, stream};
use crate::worker::intake::Accepted;

/// How long the listeners are ignored after an error, such as no more descriptors.
const BACK_OFF_MS: u64 = 100;
/// Interval at which a full worker, whose requests make progress, checks for connections that no other worker has
/// accepted.
const LEFT_OVER_MS: u64 = 10;
/// Maximum number of those accepted at once.
const LEFT_OVER: usize = 16;

/// The listeners' state in this thread.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Accepting {
    /// Not yet, or no longer.
    No,
    /// The next connection is ours if we are first.
    Armed,
    /// One was accepted and not picked up: the worker is busy, another one accepts the next.
    Handing,
    /// The app has blocked the worker for so long that it may be stuck: new connections are left to others.
    Stuck,
    /// The app could not serve it now: `picked` is woken when it can.
    Full,
    /// Nothing can be accepted until that time: no descriptors, for example.
    BackOff(u64),
}

impl Watching {
    /// With `--reuse-port`, starts to listen on the slot's own sockets, which the master only binds.
    pub(super) fn listen(&self) {
        if self.own.net.settings.port_sharing == PortSharing::None {
            return;
        }
        for listener in &self.own.listeners {
            if let Err(error) = listener.listen(self.own.net.settings.backlog) {
                tracing::error!(%error, "cannot listen on the slot's socket");
            }
        }
    }

    /// The listeners of its audience, with their index.
    pub(super) fn open(&self) -> impl Iterator<Item = (usize, &Arc<Listener>)> {
        let audience = self.audience;
        let all = self.own.listeners.iter().enumerate();
        all.filter(move |(_, listener)| listener.audience == audience)
    }

    /// Accepts at the listeners of a preview, before its generation serves.
    pub(super) fn preview(&mut self) {
        self.audience = Audience::Preview;
        if self.own.net.held.is_some() {
            // A kept connection's next request may not ask for this generation.
            self.own.net.drain.close_after_answers();
            self.watch_previews();
        }
        self.begin_to_accept();
    }

    pub(super) fn go(&mut self) {
        if self.audience == Audience::Preview {
            // Preview connections that wait in the queue are served.
            self.disarm(Accepting::No);
            self.accept_waiting(usize::MAX);
            self.audience = Audience::Everybody;
        }
        // They are the last ones: the others keep their index.
        self.own
            .listeners
            .retain(|listener| listener.audience == Audience::Everybody);
        self.own.net.drain.keep_open_after_answers();
        self.own.net.page.set_state(ScoreboardState::Accepting);
        self.listen();
        self.watch_transfers();
        self.watch_previews();
        self.begin_to_accept();
    }

    fn begin_to_accept(&mut self) {
        let open = self.open().map(|(n, listener)| (n, listener.clone()));
        *self.own.net.intake.listeners.lock() = open.collect();
        self.arm();
    }

    /// Adds the listeners to the epoll (again): at the end of the kernel's wait queue, which makes it fair.
    pub(super) fn arm(&mut self) {
        if self.own.net.app().awaits_room() {
            self.fill();
            return;
        }
        self.accepting = Accepting::Armed;
        for (n, listener) in self.open() {
            if let Err(error) =
                self.epoll
                    .add(listener.fd.as_fd(), WatchMode::ReadableExclusive, n as u64)
            {
                tracing::error!(%error, address = %listener.address, "listener cannot be watched");
            }
        }
        self.own
            .net
            .page
            .set_room(self.audience == Audience::Everybody);
        self.take_transfer();
    }

    /// A worker that has not returned to its reactor for `LOOK_MS` gets no connection that another one could accept.
    /// uvloop does not say when it sleeps: there a turn in each interval is the only sign of life.
    pub(super) fn look_at_the_worker(&mut self) {
        let now = sys::monotonic_ms();
        if now < self.look_at {
            return;
        }
        // After a time without checks, or one in which the whole process stood still, the turns say nothing yet.
        let is_late = now > self.look_at + LOOK_MS;
        self.look_at = now + LOOK_MS;
        let turns = self.own.net.clock.turns();
        let asleep = turns % 2 == 1;
        let stuck = !asleep && !is_late && turns == self.seen_turns;
        self.seen_turns = turns;
        match self.accepting {
            Accepting::Armed if stuck => self.leave_to_others(),
            // A worker that was woken for a connection and could not accept it (it was full, or just killed) cannot
            // pass the wake-up on: the others check from time to time.
            Accepting::Armed => {
                self.expect_what_is_left();
                self.disarm(Accepting::No);
                self.arm();
            }
            Accepting::Stuck
            | Accepting::No
            | Accepting::Handing
            | Accepting::Full
            | Accepting::BackOff(_) => {}
        }
    }

    /// A connection that this worker could not serve at once is left to another one.
    pub(super) fn leave_if_full(&mut self) -> bool {
        let full = self.accepting == Accepting::Armed && self.own.net.app().awaits_room();
        if full {
            self.disarm(Accepting::Full);
            self.fill();
        }
        full
    }

    pub(super) fn fill(&mut self) {
        self.accepting = Accepting::Full;
        let now = sys::monotonic_ms();
        self.left_over_at = now + LEFT_OVER_MS;
        self.pickup.expected(now);
    }

    /// Accepts connections that have waited while every worker is busy. Without this, clients with keepalive
    /// connections and a steady flow of requests would keep out all others.
    pub(super) fn take_left_over(&mut self, now: u64) {
        self.left_over_at = now + LEFT_OVER_MS;
        let completed = self.own.net.app().completed();
        if std::mem::replace(&mut self.completed, completed) == completed {
            // Stuck, or in a long request: accepting would not help them.
            return;
        }
        self.accept_waiting(LEFT_OVER);
    }

    pub(super) fn disarm(&mut self, accepting: Accepting) {
        if self.accepting == Accepting::Armed {
            for (_, listener) in self.open() {
                drop(self.epoll.remove(listener.fd.as_fd()));
            }
            self.own.net.page.set_room(false);
        }
        self.accepting = accepting;
    }

    pub(super) fn accept(&mut self, index: usize) {
        if self.accepting != Accepting::Armed || self.leave_if_full() {
            return;
        }
        let Some(listener) = self.own.listeners.get(index) else {
            return;
        };
        match self.take_from(index, listener) {
            Ok(()) => {
                self.disarm(Accepting::Handing);
                self.pickup.given(sys::monotonic_ms(), self.progress());
            }
            Err(e)
                if matches!(
                    e.raw_os_error(),
                    Some(sys::stream::EMFILE | sys::stream::ENFILE)
                ) =>
            {
                self.pause_for_descriptors();
            }
            // Another worker was faster, or the client disconnected before it was accepted.
            Err(e) if stream::is_of_one_connection(&e) => {}
            // The listener would be reported again at once, repeatedly.
            Err(e) => {
                let now = sys::monotonic_ms();
                if self.own.net.log_throttle.admits("accept fails", now) {
                    tracing::warn!(error = %e, address = %listener.address, "no connection can be accepted, accepting pauses");
                }
                self.disarm(Accepting::BackOff(now + BACK_OFF_MS));
            }
        }
    }

    /// Accepts one connection for the reactor. `WouldBlock`: none waits, or the worker has ended.
    fn take_from(&self, index: usize, listener: &Listener) -> io::Result<()> {
        let net = &self.own.net;
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

    /// There are no more descriptors: the reactor closes idle connections for them.
    pub(super) fn pause_for_descriptors(&mut self) {
        let (net, now) = (&self.own.net, sys::monotonic_ms());
        if net.log_throttle.admits("out of descriptors", now) {
            tracing::warn!("out of descriptors, accepting pauses");
        }
        net.intake.wants_descriptors.store(true, SeqCst);
        net.wake.wake();
        self.disarm(Accepting::BackOff(now + BACK_OFF_MS));
    }

    pub(super) fn stop_accepting(&mut self) {
        self.own.net.page.set_state(ScoreboardState::Draining);
        self.disarm(Accepting::No);
        self.take_last_transfers();
        self.own.net.intake.listeners.lock().clear();
        self.own.listeners.clear();
    }

    /// Accepts connections that the kernel has completed: up to so many of each listener.
    pub(super) fn accept_waiting(&self, most: usize) {
        for (n, listener) in self.open() {
            for _ in 0..most {
                if self.take_from(n, listener).is_err() {
                    break;
                }
            }
        }
    }
}
