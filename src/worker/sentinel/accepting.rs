//! Which connections this worker takes, and when it leaves them to others. It does not read from them.

use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;

use super::Watching;
use crate::config::PortSharing;
use crate::ipc::State;
use crate::sys::epoll::Watch;
use crate::sys::{self, Audience, Listener, stream};
use crate::worker::intake::Accepted;

/// Out of descriptors, or of something else: how long the listeners are left alone.
const BACK_OFF_MS: u64 = 100;
/// How often a worker that is full, and gets on with its requests, looks for connections that nobody else has taken.
const LEFT_OVER_MS: u64 = 10;
/// So many of them it takes at once.
const LEFT_OVER: usize = 16;

/// The listeners' state as this thread sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Accepting {
    /// Not yet, or not any more.
    No,
    /// The next connection is ours if we are first.
    Armed,
    /// One was taken and not picked up: the worker is busy, another one will take the next.
    Handing,
    /// The app has had the worker for so long that it may be stuck: others are to take what comes.
    Stuck,
    /// The app could not serve it now: `picked` will tell when it can.
    Full,
    /// Nothing can be accepted until that moment: out of descriptors, for example.
    BackOff(u64),
}

impl Watching {
    /// Sockets of the slot's own are left to its first worker.
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

    /// Those of its audience, with their index.
    fn open(&self) -> impl Iterator<Item = (usize, &Arc<Listener>)> {
        let audience = self.audience;
        let all = self.own.listeners.iter().enumerate();
        all.filter(move |(_, listener)| listener.audience == audience)
    }

    /// Its generation is looked at before it serves.
    pub(super) fn preview(&mut self) {
        self.audience = Audience::Preview;
        self.begin_to_accept();
    }

    pub(super) fn go(&mut self) {
        if self.audience == Audience::Preview {
            // Whoever has come to look is answered.
            self.disarm(Accepting::No);
            self.empty_accept_queues(usize::MAX);
            self.audience = Audience::Everybody;
        }
        // They are the last ones: the others keep their index.
        self.own
            .listeners
            .retain(|listener| listener.audience == Audience::Everybody);
        self.own.net.drain.keep_open_after_answers();
        self.own.net.page.set_state(State::Accepting);
        self.listen();
        self.begin_to_accept();
    }

    fn begin_to_accept(&mut self) {
        let open = self.open().map(|(n, listener)| (n, listener.clone()));
        *self.own.net.intake.listeners.lock() = open.collect();
        self.arm();
    }

    /// Puts the listeners (back) into the epoll: at the end of the kernel's line of waiters, which makes it fair.
    pub(super) fn arm(&mut self) {
        if self.own.net.app().awaits_room() {
            self.fill();
            return;
        }
        self.accepting = Accepting::Armed;
        for (n, listener) in self.open() {
            if let Err(error) =
                self.epoll
                    .add(listener.fd.as_fd(), Watch::ReadableExclusive, n as u64)
            {
                tracing::error!(%error, address = %listener.address, "listener cannot be watched");
            }
        }
    }

    /// One that has not come back to its reactor since the last look gets no connection that another worker could take.
    pub(super) fn look_at_the_worker(&mut self) {
        let turns = self.own.net.clock.turns();
        let asleep = turns % 2 == 1;
        let stuck = !asleep && turns == self.seen_turns;
        self.seen_turns = turns;
        match self.accepting {
            Accepting::Armed if stuck => self.disarm(Accepting::Stuck),
            Accepting::Stuck if !stuck => self.arm(),
            // A worker that was woken for a connection and could not take it (it was full, or killed just then) cannot pass
            // the wake on: now and then the others look for themselves.
            Accepting::Armed => {
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

    /// What this worker could not serve at once is for another one.
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
        self.left_over_at = sys::monotonic_ms() + LEFT_OVER_MS;
    }

    /// Connections that have waited while every worker is busy. Without this, clients that keep theirs and always have a
    /// next request would keep all others out.
    pub(super) fn take_left_over(&mut self, now: u64) {
        self.left_over_at = now + LEFT_OVER_MS;
        let completed = self.own.net.app().completed();
        if std::mem::replace(&mut self.completed, completed) == completed {
            // Stuck, or in a long request: it would not help them.
            return;
        }
        for (n, listener) in self.open() {
            for _ in 0..LEFT_OVER {
                let Ok((fd, peer)) = stream::accept(listener.fd.as_fd()) else {
                    break;
                };
                self.hand_over(fd, peer, n);
            }
        }
    }

    pub(super) fn disarm(&mut self, accepting: Accepting) {
        if self.accepting == Accepting::Armed {
            for (_, listener) in self.open() {
                drop(self.epoll.remove(listener.fd.as_fd()));
            }
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
        match stream::accept(listener.fd.as_fd()) {
            Ok((fd, peer)) => {
                self.disarm(Accepting::Handing);
                self.hand_over(fd, peer, index);
            }
            Err(e)
                if matches!(
                    e.raw_os_error(),
                    Some(sys::stream::EMFILE | sys::stream::ENFILE)
                ) =>
            {
                if self
                    .own
                    .net
                    .complaints
                    .admits("out of descriptors", sys::monotonic_ms())
                {
                    tracing::warn!(error = %e, "out of descriptors, accepting pauses");
                }
                self.own.net.intake.wants_descriptors.store(true, SeqCst);
                self.own.net.wake.wake();
                self.disarm(Accepting::BackOff(sys::monotonic_ms() + BACK_OFF_MS));
            }
            // Another worker was faster, or the client left before it was taken.
            Err(e) if stream::is_of_one_connection(&e) => {}
            // The listener would show itself again at once, and again.
            Err(e) => {
                let now = sys::monotonic_ms();
                if self.own.net.complaints.admits("accept fails", now) {
                    tracing::warn!(error = %e, address = %listener.address, "no connection can be accepted, accepting pauses");
                }
                self.disarm(Accepting::BackOff(now + BACK_OFF_MS));
            }
        }
    }

    pub(super) fn hand_over(
        &self,
        fd: OwnedFd,
        peer: Option<std::net::SocketAddr>,
        listener: usize,
    ) {
        self.own
            .net
            .intake
            .accepted
            .lock()
            .push_back(Accepted { fd, peer, listener });
        self.own.net.wake.wake();
    }

    pub(super) fn stop_accepting(&mut self) {
        self.own.net.page.set_state(State::Draining);
        self.disarm(Accepting::No);
        self.own.net.intake.listeners.lock().clear();
        self.own.listeners.clear();
    }

    /// What the kernel has accepted for us is served, not reset: so many connections of each listener.
    pub(super) fn empty_accept_queues(&mut self, most: usize) {
        for (n, listener) in self.open() {
            for _ in 0..most {
                let Ok((fd, peer)) = stream::accept(listener.fd.as_fd()) else {
                    break;
                };
                self.hand_over(fd, peer, n);
            }
        }
    }
}
