//! The time in a turn of the reactor for connections that have more to do than an ordinary request.
//!
//! Each connection has a share of a turn (`connection/share.rs`). Many that use all of theirs would still make a long turn, so
//! they also share this time, whatever they send; what is left waits in a queue for the next turn. So the longest wait of other clients does not
//! depend on how many such connections there are.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use crate::sys::clock;

/// Microseconds.
const TURN: u64 = 4_000;
/// A message costs its app a microsecond for so many bytes: they are copied, and their memory is new.
const BYTES_PER_US: usize = 2_000;
/// No turn is in progress: the thread that turns the reactor sleeps, so that nothing waits for it.
const ASLEEP: u64 = u64::MAX;

pub struct TurnBudget {
    /// Monotonic microseconds.
    began: AtomicU64,
    clock: fn() -> u64,
}

impl Default for TurnBudget {
    fn default() -> Self {
        Self::on(clock::monotonic_us)
    }
}

impl TurnBudget {
    /// On another clock, in monotonic microseconds.
    pub fn on(clock: fn() -> u64) -> Self {
        Self {
            began: AtomicU64::new(ASLEEP),
            clock,
        }
    }

    /// A turn begins; `now` is the time.
    pub fn begin(&self, now: u64) {
        self.began.store(now, Relaxed);
    }

    /// As `begin`, for the connections in the queue: those with new events have had their part.
    pub fn begin_queue(&self) {
        self.begin((self.clock)());
    }

    /// The app gets so many bytes in this turn, when all connections have had their part.
    pub fn charge_for_app(&self, bytes: usize) {
        let us = (bytes / BYTES_PER_US) as u64;
        let began = self.began.load(Relaxed);
        if us > 0 && began != ASLEEP {
            self.begin(began.saturating_sub(us));
        }
    }

    /// The reactor is about to sleep.
    pub fn sleep(&self) {
        self.began.store(ASLEEP, Relaxed);
    }

    /// Looks at the clock.
    pub fn is_used_up(&self) -> bool {
        let began = self.began.load(Relaxed);
        began != ASLEEP && (self.clock)().saturating_sub(began) >= TURN
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;

    thread_local!(static NOW: Cell<u64> = const { Cell::new(0) });

    #[test]
    fn a_turn_has_so_much_time_and_its_queue_as_much_again() {
        let budget = TurnBudget::on(|| NOW.get());
        assert!(!budget.is_used_up());
        budget.begin(0);
        NOW.set(TURN - 1);
        assert!(!budget.is_used_up());
        NOW.set(TURN);
        assert!(budget.is_used_up());
        budget.begin_queue();
        budget.charge_for_app(BYTES_PER_US - 1);
        assert!(!budget.is_used_up());
        budget.charge_for_app(TURN as usize * BYTES_PER_US);
        assert!(budget.is_used_up());
        budget.begin_queue();
        NOW.set(2 * TURN);
        assert!(budget.is_used_up());
        budget.sleep();
        assert!(
            !budget.is_used_up(),
            "nothing waits for a thread that sleeps"
        );
    }
}
