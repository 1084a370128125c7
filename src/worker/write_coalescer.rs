//! Output that is held back for a moment, so that small pieces of one step are sent in one packet.
//!
//! The first piece of a step is written at once. What follows in the same step (no turn of the event loop, no wait of
//! the app in between) is held until the step ends, until it is large, or for at most `LONGEST` while the app
//! computes.
//! Streams of one HTTP/2 connection share its packets: what they write in one turn of the event loop is held until the turn ends.

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

/// For how long output is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Until {
    StepEnds,
    TurnEnds,
}

/// Connections whose output is held until the same moment.
#[derive(Default)]
struct Line {
    connections: Mutex<Vec<Arc<dyn Holds>>>,
    any: AtomicBool,
}

/// The connections of a worker that hold output.
#[derive(Default)]
pub struct WriteCoalescer {
    until_step_ends: Line,
    until_turn_ends: Line,
    step: AtomicU64,
    /// The sentinel checks for held output.
    watched: AtomicBool,
}

impl WriteCoalescer {
    /// The number of the current step.
    pub fn step(&self) -> u64 {
        self.step.load(Relaxed)
    }

    pub fn next_step(&self) {
        // Steps are counted by the one thread that runs apps.
        self.step.store(self.step.load(Relaxed) + 1, Relaxed);
    }

    pub fn is_empty(&self) -> bool {
        !self.until_step_ends.any.load(Relaxed) && !self.until_turn_ends.any.load(Relaxed)
    }

    /// True: the sentinel has to be woken to check.
    pub fn add(&self, conn: Arc<dyn Holds>, until: Until) -> bool {
        let line = self.line(until);
        line.connections.lock().push(conn);
        line.any.store(true, Relaxed);
        !self.watched.swap(true, Relaxed)
    }

    /// The connections with output held until then, removed.
    pub fn take(&self, until: Until) -> Vec<Arc<dyn Holds>> {
        let line = self.line(until);
        if !line.any.swap(false, Relaxed) {
            return Vec::new();
        }
        std::mem::take(&mut *line.connections.lock())
    }

    fn line(&self, until: Until) -> &Line {
        match until {
            Until::StepEnds => &self.until_step_ends,
            Until::TurnEnds => &self.until_turn_ends,
        }
    }

    pub fn is_watched(&self) -> bool {
        self.watched.load(Relaxed)
    }

    pub fn unwatch(&self) {
        self.watched.store(false, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Nothing;

    impl Holds for Nothing {
        fn write_held(self: Arc<Self>) {}
    }

    #[test]
    fn each_is_taken_at_its_own_end_and_once() {
        let held = WriteCoalescer::default();
        assert!(held.add(Arc::new(Nothing), Until::StepEnds));
        assert!(
            !held.add(Arc::new(Nothing), Until::TurnEnds),
            "it is woken already"
        );
        assert_eq!(held.take(Until::StepEnds).len(), 1);
        assert_eq!(held.take(Until::StepEnds).len(), 0);
        assert!(!held.is_empty());
        assert_eq!(held.take(Until::TurnEnds).len(), 1);
        assert!(held.is_empty());
    }
}
