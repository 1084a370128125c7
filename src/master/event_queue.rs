//! Events that were not handled yet, and their sources.

use std::collections::VecDeque;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use super::supervisor::{Event, Moment};
use crate::sys::signals::{Arrival, SignalNumber as Raw, SignalQueue};
use crate::sys::{self, clock};

/// The signals that the master handles; all others keep their default action.
pub const HEARD: [Raw; 10] = [
    Raw::HUP,
    Raw::INT,
    Raw::QUIT,
    Raw::TERM,
    Raw::CHLD,
    Raw::TTIN,
    Raw::TTOU,
    Raw::USR1,
    Raw::USR2,
    Raw::WINCH,
];

pub struct EventQueue {
    signals: SignalQueue,
    pending: VecDeque<Event>,
    /// The time from which the supervisor counts, monotonic.
    pub began: Duration,
    /// The exit code, once nothing is left to decide.
    pub leaving: Option<u8>,
}

impl EventQueue {
    pub fn new(signals: SignalQueue) -> Self {
        Self {
            signals,
            pending: VecDeque::new(),
            began: clock::monotonic(),
            leaving: None,
        }
    }

    pub fn now(&self) -> Moment {
        Moment(clock::monotonic().saturating_sub(self.began))
    }

    pub fn push(&mut self, event: Event) {
        self.pending.push_back(event);
    }

    pub fn pop(&mut self) -> Option<Event> {
        self.pending.pop_front()
    }

    pub fn is_empty(&self) -> bool {
        self.pending.is_empty()
    }

    pub fn next_signal(&self) -> sys::Result<Option<Arrival>> {
        self.signals.next()
    }
}

/// Readable when a signal has arrived.
impl AsFd for EventQueue {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.signals.as_fd()
    }
}
