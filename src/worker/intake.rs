//! New connections on their way from the listeners to the reactor.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use parking_lot::{MappedMutexGuard, Mutex, MutexGuard};

use crate::sys::epoll::Wake;
use crate::sys::{Listener, stream};

/// An accepted connection before the reactor takes it.
pub struct Accepted {
    pub fd: OwnedFd,
    /// `None`: a unix peer.
    pub peer: Option<SocketAddr>,
    /// Index into the worker's listeners.
    pub listener: usize,
    /// Read by the worker that has passed it on.
    pub received: Vec<u8>,
}

/// What the sentinel has accepted and the reactor has not taken.
#[derive(Default)]
struct Waiting {
    queue: VecDeque<Accepted>,
    /// The worker has nothing left to do and ends: what is accepted now would be lost.
    is_closed: bool,
}

pub struct Intake {
    waiting: Mutex<Waiting>,
    /// The listeners at which the worker accepts, with their index; empty before Go, and again from the drain on.
    pub listeners: Mutex<Vec<(usize, Arc<Listener>)>>,
    /// The sentinel waits for a turn of the reactor.
    pub awaits_turn: AtomicBool,
    /// Descriptors have run out: idle connections are to be closed.
    pub wants_descriptors: AtomicBool,
    /// Wakes the sentinel.
    pub picked: Arc<Wake>,
}

impl Intake {
    pub fn new() -> io::Result<Self> {
        Ok(Self {
            waiting: Mutex::default(),
            listeners: Mutex::default(),
            awaits_turn: AtomicBool::new(false),
            wants_descriptors: AtomicBool::new(false),
            picked: Arc::new(Wake::new()?),
        })
    }

    /// Room for connections. They are accepted while it is held: the worker cannot end in between. `None`: it has ended.
    pub fn open(&self) -> Option<MappedMutexGuard<'_, VecDeque<Accepted>>> {
        let waiting = self.waiting.lock();
        MutexGuard::try_map(waiting, |waiting| {
            (!waiting.is_closed).then_some(&mut waiting.queue)
        })
        .ok()
    }

    pub fn next(&self) -> Option<Accepted> {
        self.waiting.lock().queue.pop_front()
    }

    pub fn is_empty(&self) -> bool {
        self.waiting.lock().queue.is_empty()
    }

    /// False: connections wait. Otherwise none will any more.
    pub fn close_if_empty(&self) -> bool {
        let mut waiting = self.waiting.lock();
        waiting.is_closed |= waiting.queue.is_empty();
        waiting.is_closed
    }

    /// The worker's time is over. Connections that wait are closed.
    pub fn close(&self) {
        let mut waiting = self.waiting.lock();
        waiting.is_closed = true;
        waiting.queue.clear();
    }

    /// Accepts one connection, if one waits at any of the listeners. Errors are left to the sentinel, which backs off
    /// when descriptors run out.
    pub fn take_waiting(&self) -> Option<Accepted> {
        let listeners = self.listeners.lock();
        listeners.iter().find_map(|(index, listener)| {
            let (fd, peer) = stream::accept(listener.fd.as_fd()).ok()?;
            Some(Accepted {
                fd,
                peer,
                listener: *index,
                received: Vec::new(),
            })
        })
    }
}
