//! How long threads have been at work, those that still are included, in one word, so that a reader sees one moment or another,
//! never half of each.
//!
//! With `n` threads at work since `t`, after `total` of work done: the work at a moment `now` is `total + n * (now - t)`. The
//! word holds `n` in its upper ten bits and `total - n * t` below, all in units of 16 microseconds.

const BITS: u32 = 54;
const MASK: u64 = (1 << BITS) - 1;
/// Microseconds in a unit, as a shift.
const UNIT: u32 = 4;
const MOST_THREADS: u64 = 1 << (64 - BITS - 1);

/// Kept by the writer of the word.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Work {
    total: u64,
    since: u64,
    threads: u64,
}

impl Work {
    pub fn threads(&self) -> u64 {
        self.threads
    }

    /// From `now_us` (monotonic microseconds) on so many threads are at work. Returns the word.
    #[must_use]
    pub fn change(&mut self, threads: u64, now_us: u64) -> u64 {
        let now = now_us >> UNIT;
        self.total += self.threads * now.saturating_sub(self.since);
        self.since = now;
        self.threads = threads.min(MOST_THREADS);
        let rest = self.total.wrapping_sub(self.threads.wrapping_mul(now));
        self.threads << BITS | rest & MASK
    }
}

/// Microseconds of work by then.
pub(super) fn micros(word: u64, now_us: u64) -> u64 {
    let threads = word >> BITS;
    // The lower bits with their sign.
    let rest = (word << (64 - BITS)).cast_signed() >> (64 - BITS);
    let work = rest.wrapping_add((threads.wrapping_mul(now_us >> UNIT)).cast_signed());
    u64::try_from(work).unwrap_or(0) << UNIT
}

/// Work that is over.
pub(super) fn word(micros: u64) -> u64 {
    micros >> UNIT & MASK
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_reader_sees_what_was_worked(
            start in 0_u64..1 << 46,
            steps in prop::collection::vec((0_u64..600, 0_u64..1 << 30), 1..20),
        ) {
            let (mut work, mut now, mut expected, mut threads) = (Work::default(), start & !15, 0, 0);
            let mut seen = work.change(0, now);
            for (next, later) in steps {
                let later = later & !15;
                now += later;
                expected += threads * later;
                prop_assert_eq!(micros(seen, now), expected);
                threads = next.min(MOST_THREADS);
                seen = work.change(next, now);
                prop_assert_eq!(micros(seen, now), expected);
            }
            let over = work.change(0, now);
            prop_assert_eq!(over, word(expected));
            prop_assert_eq!(micros(over, now + 999), expected);
        }
    }
}
