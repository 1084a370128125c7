//! The stacks that a worker prints when it gets the signal for it: how long they are waited for.

/// Time for printing the stacks; the supervisor waits as long for a hung worker's.
const LONGEST_MS: u64 = 1_000;
/// Output that has not grown for this long is complete.
const SETTLED_MS: u64 = 50;

/// A signal that was sent, and the output so far. Times are monotonic milliseconds.
#[derive(Debug, Clone, Copy)]
pub struct StackDump {
    asked_at: u64,
    grown_at: u64,
    length: u64,
}

impl StackDump {
    pub fn asked(now: u64) -> Self {
        Self {
            asked_at: now,
            grown_at: now,
            length: 0,
        }
    }

    /// Whether the output is complete, or will not come. `length`: of the output now.
    pub fn is_over(&mut self, now: u64, length: u64) -> bool {
        if length > self.length {
            (self.length, self.grown_at) = (length, now);
        }
        let settled = self.length > 0 && now.saturating_sub(self.grown_at) >= SETTLED_MS;
        settled || now.saturating_sub(self.asked_at) >= LONGEST_MS
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn output_is_complete_when_it_has_not_grown_for_a_while() {
        let mut dump = StackDump::asked(100);
        assert!(!dump.is_over(160, 0), "none has come yet");
        assert!(!dump.is_over(200, 10));
        assert!(!dump.is_over(249, 10));
        assert!(!dump.is_over(250, 20), "it has grown");
        assert!(!dump.is_over(299, 20));
        assert!(dump.is_over(300, 20));
    }

    #[test]
    fn a_worker_that_prints_nothing_or_without_end_is_not_waited_for() {
        let mut silent = StackDump::asked(100);
        assert!(!silent.is_over(1_099, 0));
        assert!(silent.is_over(1_100, 0));
        let mut endless = StackDump::asked(100);
        assert!((100..1_100).all(|now| !endless.is_over(now, now)));
        assert!(endless.is_over(1_100, 1_100));
    }
}
