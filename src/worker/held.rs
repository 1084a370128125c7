//! Output that is held back for a moment, so that small pieces of one step are sent in one packet.
//!
//! The first piece of a step is written at once. What follows in the same step (no turn of the event loop, no wait of
//! the app in between) is held until the step ends, until it is large, or for at most `LONGEST` while the app
//! computes.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use parking_lot::Mutex;

/// Interval of the sentinel's checks while output is held, so that an app that computes does not delay it.
pub const LONGEST: Duration = Duration::from_millis(10);
/// More than this is not held.
pub const MOST: usize = 16 * 1024;

/// A connection with output that may be held.
pub trait Holds: Send + Sync {
    /// Writes the held output.
    fn write_held(self: Arc<Self>);
}

/// The connections of a worker that hold output.
#[derive(Default)]
pub struct Held {
    connections: Mutex<Vec<Arc<dyn Holds>>>,
    any: AtomicBool,
    step: AtomicU64,
    /// The sentinel checks for held output.
    watched: AtomicBool,
}

impl Held {
    /// The number of the current step.
    pub fn step(&self) -> u64 {
        self.step.load(Relaxed)
    }

    pub fn next_step(&self) {
        // Steps are counted by the one thread that runs apps.
        self.step.store(self.step.load(Relaxed) + 1, Relaxed);
    }

    pub fn is_empty(&self) -> bool {
        !self.any.load(Relaxed)
    }

    /// True: the sentinel has to be woken to check.
    pub fn add(&self, conn: Arc<dyn Holds>) -> bool {
        self.connections.lock().push(conn);
        self.any.store(true, Relaxed);
        !self.watched.swap(true, Relaxed)
    }

    pub fn take(&self) -> Vec<Arc<dyn Holds>> {
        self.any.store(false, Relaxed);
        std::mem::take(&mut *self.connections.lock())
    }

    pub fn is_watched(&self) -> bool {
        self.watched.load(Relaxed)
    }

    pub fn unwatch(&self) {
        self.watched.store(false, Relaxed);
    }
}
