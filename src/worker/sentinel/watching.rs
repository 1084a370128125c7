//! What the thread is given, and its state.

use std::os::fd::OwnedFd;
use std::sync::Arc;

use super::commands::CommandQueue;
use super::pickup::Pickup;
use super::shedder::Shedder;
use crate::ipc::{Transfers, WorkerChannel};
use crate::sys::epoll::{Epoll, Wake};
use crate::sys::{Audience, Listener, SignalNotes};
use crate::worker::exchange::Requests;
use crate::worker::network::Network;

/// The token of transferred connections. A listener's is its index.
pub(super) const TRANSFERS: u64 = 1 << 32;

/// What the thread is given.
pub struct Sentinel {
    pub net: Arc<Network>,
    pub requests: Arc<Requests>,
    pub listeners: Vec<Arc<Listener>>,
    /// `None`: connections are not passed on.
    pub transfers: Option<Transfers>,
    pub channel: Arc<WorkerChannel>,
    pub lifeline: OwnedFd,
    pub picked: Arc<Wake>,
    pub commands: Arc<CommandQueue>,
}

/// The listeners' state in this thread.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Accepting {
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

/// The state of the thread.
pub(super) struct Watching {
    pub own: Sentinel,
    pub epoll: Epoll,
    pub signal_notes: &'static SignalNotes,
    pub accepting: Accepting,
    /// Which listeners it accepts at, now or after `Go`.
    pub audience: Audience,
    /// When the process exits, whatever Python does.
    pub deadline: Option<u64>,
    /// At the last check whether the worker returns to its reactor.
    pub seen_turns: u64,
    /// When the next one is due.
    pub look_at: u64,
    /// When held output was seen last; zero: not checking.
    pub held_at: u64,
    /// When the next check for left-over connections is due.
    pub left_over_at: u64,
    /// Requests completed at the last such check.
    pub completed: u64,
    pub pickup: Pickup,
    /// When the requests on kept connections are looked at next, while the app is blocked.
    pub kept_at: u64,
    pub shedder: Shedder,
    /// Other workers have passed connections on, and not all may have been taken.
    pub expects_transfers: bool,
    /// What other generations pass on is noticed.
    pub watches_previews: bool,
}

impl Watching {
    pub fn new(own: Sentinel, epoll: Epoll, signal_notes: &'static SignalNotes) -> Self {
        Self {
            own,
            epoll,
            signal_notes,
            accepting: Accepting::No,
            audience: Audience::Everybody,
            deadline: None,
            seen_turns: 0,
            look_at: 0,
            held_at: 0,
            left_over_at: 0,
            completed: 0,
            pickup: Pickup::default(),
            kept_at: 0,
            shedder: Shedder::default(),
            expects_transfers: false,
            watches_previews: false,
        }
    }

    /// The listeners of its audience, with their index.
    pub fn open(&self) -> impl Iterator<Item = (usize, &Arc<Listener>)> {
        let audience = self.audience;
        let all = self.own.listeners.iter().enumerate();
        all.filter(move |(_, listener)| listener.audience == audience)
    }

    /// The app's progress: of the event loop, or of the threads.
    pub fn progress(&self) -> u64 {
        let net = &self.own.net;
        net.app().progress(net.clock.turns())
    }
}
