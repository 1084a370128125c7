//! The numbers of one worker, or of a slot over all its workers. It does not compute rates.

use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;

use super::layout::counter;

/// All of them only grow.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counters {
    /// Requests begun.
    pub requests: u64,
    /// Requests ended, by class of status; index 0: without an answer (also those that died with their worker).
    pub status: [u64; counter::STATUSES],
    pub bytes_in: u64,
    pub bytes_out: u64,
    /// Microseconds not asleep.
    pub busy_us: u64,
    /// Connections accepted.
    pub accepted: u64,
    /// Sum of all durations in microseconds.
    pub duration_us: u64,
    /// Index i: requests that took from 2^(i-1) to 2^i microseconds; the last one: longer.
    pub latency: [u64; counter::BUCKETS],
}

impl Counters {
    /// Requests begun and not ended. The two are read one after the other, hence the saturation.
    pub fn in_flight(&self) -> u64 {
        self.requests.saturating_sub(self.status.iter().sum())
    }

    /// Those of another worker of the same slot on top.
    #[must_use]
    pub fn plus(mut self, other: &Self) -> Self {
        let pairs = [
            (&mut self.requests, other.requests),
            (&mut self.bytes_in, other.bytes_in),
            (&mut self.bytes_out, other.bytes_out),
            (&mut self.busy_us, other.busy_us),
            (&mut self.accepted, other.accepted),
            (&mut self.duration_us, other.duration_us),
        ];
        pairs.into_iter().for_each(|(sum, more)| *sum += more);
        self.status
            .iter_mut()
            .zip(other.status)
            .for_each(|(sum, more)| *sum += more);
        self.latency
            .iter_mut()
            .zip(other.latency)
            .for_each(|(sum, more)| *sum += more);
        self
    }

    pub(super) fn read(words: &[AtomicU64]) -> Self {
        let word = |index: usize| words.get(index).map_or(0, |word| word.load(Relaxed));
        Self {
            requests: word(counter::REQUESTS),
            status: std::array::from_fn(|class| word(counter::STATUS + class)),
            bytes_in: word(counter::BYTES_IN),
            bytes_out: word(counter::BYTES_OUT),
            busy_us: word(counter::BUSY),
            accepted: word(counter::ACCEPTED),
            duration_us: word(counter::DURATION),
            latency: std::array::from_fn(|bucket| word(counter::LATENCY + bucket)),
        }
    }
}

impl Counters {
    pub(super) fn write(&self, words: &[AtomicU64]) {
        let store = |index: usize, value: u64| {
            if let Some(word) = words.get(index) {
                word.store(value, Relaxed);
            }
        };
        store(counter::REQUESTS, self.requests);
        self.status
            .iter()
            .enumerate()
            .for_each(|(class, count)| store(counter::STATUS + class, *count));
        store(counter::BYTES_IN, self.bytes_in);
        store(counter::BYTES_OUT, self.bytes_out);
        store(counter::BUSY, self.busy_us);
        store(counter::ACCEPTED, self.accepted);
        store(counter::DURATION, self.duration_us);
        self.latency
            .iter()
            .enumerate()
            .for_each(|(bucket, count)| store(counter::LATENCY + bucket, *count));
    }
}
