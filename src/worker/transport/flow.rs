//! What an HTTP/2 connection and its streams tell each other without a lock: how far the client has read, and whether it may send.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::Waker;

/// In bytes: with less of its output in the way the client is not behind.
const BACKLOG: usize = 16 * 1024;

/// Of one connection. A stream is blocked by its client, or by others of the connection: this tells which.
pub struct ConnectionFlow {
    /// Wakes the session.
    waker: Waker,
    /// Bytes of output, those that the client has taken, and whether a stream wants to know.
    sent: AtomicU64,
    taken: AtomicU64,
    is_asked: AtomicBool,
    /// Unsent output is in the way of window updates.
    is_blocked: AtomicBool,
    /// Bytes of bodies for which the client has no window again.
    unread: AtomicU64,
    /// The connection's.
    window: u64,
    /// Bytes that may precede those of a stream: of the kernel, of the connection, and of other streams in h2.
    ahead: u64,
}

impl ConnectionFlow {
    pub fn new(waker: Waker, window: u32, ahead: u64) -> Self {
        Self {
            waker,
            sent: AtomicU64::new(0),
            taken: AtomicU64::new(0),
            is_asked: AtomicBool::new(false),
            is_blocked: AtomicBool::new(false),
            unread: AtomicU64::new(0),
            window: window.into(),
            ahead,
        }
    }

    /// The connection has so much more output.
    pub fn sends(&self, bytes: usize) {
        self.sent.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    /// Whether `note_taken` is awaited.
    pub fn take_question(&self) -> bool {
        self.is_asked.load(Ordering::Relaxed) && self.is_asked.swap(false, Ordering::Relaxed)
    }

    /// All of the output but so many bytes is with the client. Counts only where that is a backlog: answers to pings, and resets of other
    /// streams, are not in the way of any.
    pub fn note_taken(&self, untaken: usize) {
        if untaken < BACKLOG {
            return;
        }
        let taken = self
            .sent
            .load(Ordering::Relaxed)
            .saturating_sub(untaken as u64);
        self.taken.fetch_max(taken, Ordering::Relaxed);
    }

    pub fn set_blocked(&self, is_blocked: bool) {
        self.is_blocked.store(is_blocked, Ordering::Relaxed);
    }

    /// The place in the output at which what a stream sends now has certainly been sent.
    pub(super) fn place(&self) -> u64 {
        self.taken.load(Ordering::Relaxed) + self.ahead
    }

    /// How much the client has still to take before that place, as it was noted last; asks the connection to note it again.
    pub(super) fn untaken_before(&self, place: u64) -> usize {
        self.is_asked.store(true, Ordering::Relaxed);
        self.waker.wake_by_ref();
        let untaken = place.saturating_sub(self.taken.load(Ordering::Relaxed));
        usize::try_from(untaken).unwrap_or(usize::MAX)
    }

    /// A stream keeps so many bytes of its body.
    pub(super) fn keeps(&self, bytes: usize) {
        self.unread.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    /// Of those the app has read so many.
    pub(super) fn releases(&self, bytes: usize) {
        self.unread.fetch_sub(bytes as u64, Ordering::Relaxed);
    }

    /// Whether a client that has sent all that it may gets no window for more, on none of its streams.
    pub(super) fn withholds_credit(&self) -> bool {
        self.is_blocked.load(Ordering::Relaxed)
            || self.unread.load(Ordering::Relaxed) >= self.window
    }
}
