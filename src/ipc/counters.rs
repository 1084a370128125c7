//! The counters of one worker, or of a slot over all its workers.

use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;

use super::busy;
use super::layout::counter;
use crate::sys::clock;

/// All of them only grow.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counters {
    /// Requests begun.
    pub requests: u64,
    /// Requests ended, by class of status; index 0: without a response (also those that died with their worker).
    pub status: [u64; counter::STATUSES],
    pub bytes_in: u64,
    pub bytes_out: u64,
    /// Microseconds of all threads not asleep.
    pub busy_us: u64,
    /// Connections accepted.
    pub accepted: u64,
    /// Sum of all durations in microseconds.
    pub duration_us: u64,
    /// Index i: requests that took from 2^(i-1) to 2^i microseconds; the last one: longer.
    pub latency: [u64; counter::BUCKETS],
    /// How long connections waited to be accepted.
    pub accept_wait: WaitHistogram,
    /// How long ago a proxy took each request, where one sends that time.
    pub queue: WaitHistogram,
    /// Temporary files that could not be made or written.
    pub spool_failures: u64,
    pub http2: Http2Counters,
    /// Files answered without the app, by coding and status.
    pub files: [[u64; counter::FILE_STATUSES]; counter::FILE_CODINGS],
    /// Exceptions that left the app.
    pub exceptions: u64,
    pub garbage: GarbageCounters,
    pub passed_on: PassedOn,
    /// Requests answered with 503 because they had waited too long.
    pub shed: u64,
}

/// What was passed on to other workers, because the app could not serve it here.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PassedOn {
    pub connections: u64,
    /// Requests among them that had begun here.
    pub requests: u64,
}

/// The statuses of responses with files; any other is counted with the last one.
pub const FILE_STATUSES: [u16; counter::FILE_STATUSES] = [200, 206, 304, 404, 405, 412, 416, 500];

/// Of connections that speak HTTP/2.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Http2Counters {
    pub connections: u64,
    pub requests: u64,
    /// Connections closed with ENHANCE_YOUR_CALM.
    pub calmed: u64,
}

impl Http2Counters {
    /// In the order of their words.
    fn of(words: [u64; counter::HTTP2_WORDS]) -> Self {
        let [connections, requests, calmed] = words;
        Self {
            connections,
            requests,
            calmed,
        }
    }

    fn words(self) -> [u64; counter::HTTP2_WORDS] {
        [self.connections, self.requests, self.calmed]
    }
}

/// Of Python's garbage collector, by the oldest generation that was collected.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct GarbageCounters {
    pub collections: [u64; counter::GARBAGE_GENERATIONS],
    pub time_us: [u64; counter::GARBAGE_GENERATIONS],
}

/// A histogram in milliseconds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WaitHistogram {
    /// Index i: less than 2^i ms, and not less than half of that; the last one: longer.
    pub counts: [u64; counter::WAITS],
    pub sum_ms: u64,
}

impl WaitHistogram {
    fn add(&mut self, other: &Self) {
        self.sum_ms += other.sum_ms;
        for (sum, more) in self.counts.iter_mut().zip(other.counts) {
            *sum += more;
        }
    }
}

impl Counters {
    /// Requests begun and not ended. The two are read one after the other, hence the saturation.
    pub fn in_flight(&self) -> u64 {
        let ended: u64 = self.status.iter().sum();
        self.requests
            .saturating_sub(ended + self.passed_on.requests)
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
            (&mut self.spool_failures, other.spool_failures),
            (&mut self.http2.connections, other.http2.connections),
            (&mut self.http2.requests, other.http2.requests),
            (&mut self.http2.calmed, other.http2.calmed),
            (&mut self.exceptions, other.exceptions),
            (&mut self.shed, other.shed),
            (&mut self.passed_on.connections, other.passed_on.connections),
            (&mut self.passed_on.requests, other.passed_on.requests),
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
        let garbage = [
            (&mut self.garbage.collections, other.garbage.collections),
            (&mut self.garbage.time_us, other.garbage.time_us),
        ];
        for (sums, more) in garbage {
            sums.iter_mut()
                .zip(more)
                .for_each(|(sum, more)| *sum += more);
        }
        self.accept_wait.add(&other.accept_wait);
        self.queue.add(&other.queue);
        let files = self.files.iter_mut().flatten();
        let more = other.files.iter().flatten();
        files.zip(more).for_each(|(sum, more)| *sum += more);
        self
    }

    pub(super) fn read(words: &[AtomicU64]) -> Self {
        let word = |index: usize| words.get(index).map_or(0, |word| word.load(Relaxed));
        Self {
            requests: word(counter::REQUESTS),
            status: std::array::from_fn(|class| word(counter::STATUS + class)),
            bytes_in: word(counter::BYTES_IN),
            bytes_out: word(counter::BYTES_OUT),
            busy_us: busy::micros(word(counter::BUSY), clock::monotonic_us()),
            accepted: word(counter::ACCEPTED),
            duration_us: word(counter::DURATION),
            latency: std::array::from_fn(|bucket| word(counter::LATENCY + bucket)),
            accept_wait: WaitHistogram {
                counts: std::array::from_fn(|n| word(counter::ACCEPT_WAIT + n)),
                sum_ms: word(counter::ACCEPT_WAIT_SUM),
            },
            queue: WaitHistogram {
                counts: std::array::from_fn(|n| word(counter::QUEUE + n)),
                sum_ms: word(counter::QUEUE_SUM),
            },
            spool_failures: word(counter::SPOOL_FAILURES),
            http2: Http2Counters::of(std::array::from_fn(|n| word(counter::HTTP2 + n))),
            exceptions: word(counter::EXCEPTIONS),
            garbage: GarbageCounters {
                collections: std::array::from_fn(|n| word(counter::GARBAGE + n)),
                time_us: std::array::from_fn(|n| {
                    word(counter::GARBAGE + counter::GARBAGE_GENERATIONS + n)
                }),
            },
            shed: word(counter::SHED),
            passed_on: PassedOn {
                connections: word(counter::PASSED_ON),
                requests: word(counter::PASSED_ON + 1),
            },
            files: std::array::from_fn(|coding| {
                std::array::from_fn(|status| {
                    word(counter::FILES + coding * counter::FILE_STATUSES + status)
                })
            }),
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
        store(counter::BUSY, busy::word(self.busy_us));
        store(counter::ACCEPTED, self.accepted);
        store(counter::DURATION, self.duration_us);
        store(counter::SPOOL_FAILURES, self.spool_failures);
        for (n, count) in self.http2.words().into_iter().enumerate() {
            store(counter::HTTP2 + n, count);
        }
        store(counter::EXCEPTIONS, self.exceptions);
        let garbage = self.garbage.collections.iter().chain(&self.garbage.time_us);
        garbage
            .enumerate()
            .for_each(|(n, value)| store(counter::GARBAGE + n, *value));
        store(counter::SHED, self.shed);
        store(counter::PASSED_ON, self.passed_on.connections);
        store(counter::PASSED_ON + 1, self.passed_on.requests);
        self.latency
            .iter()
            .enumerate()
            .for_each(|(bucket, count)| store(counter::LATENCY + bucket, *count));
        self.files
            .iter()
            .flatten()
            .enumerate()
            .for_each(|(n, count)| store(counter::FILES + n, *count));
        for (waits, counts, sum) in [
            (
                &self.accept_wait,
                counter::ACCEPT_WAIT,
                counter::ACCEPT_WAIT_SUM,
            ),
            (&self.queue, counter::QUEUE, counter::QUEUE_SUM),
        ] {
            store(sum, waits.sum_ms);
            for (n, count) in waits.counts.iter().enumerate() {
                store(counts + n, *count);
            }
        }
    }
}
