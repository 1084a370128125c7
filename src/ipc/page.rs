//! A worker's page of the scoreboard: written by that worker alone, read by everyone. `scoreboard.rs` gives pages out.
//!
//! Everything is relaxed: these are numbers for people, each right by itself, not a protocol.

mod in_flight;

use std::fmt;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;

use super::counters::{Counters, FILE_STATUSES};
use super::layout::{counter, page};

pub use in_flight::{InFlight, InFlightMark, Ticket};

type Words = [AtomicU64; page::WORDS];

/// A worker's life as the scoreboard shows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ScoreboardState {
    Booting,
    Ready,
    Accepting,
    Draining,
    Exiting,
}

/// One page, as a cheap handle. It stays valid for ever, and meaningful while its worker has not been reaped.
#[derive(Clone, Copy)]
pub struct Page {
    words: &'static Words,
}

impl fmt::Debug for Page {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Page")
            .field("slot", &self.slot())
            .field("pid", &self.pid())
            .finish_non_exhaustive()
    }
}

/// The worker's side.
impl Page {
    /// A heartbeat. `now_ms`: `sys::clock::monotonic_ms`.
    pub fn beat(&self, now_ms: u64) {
        self.words[page::HEARTBEAT].store(now_ms, Relaxed);
    }

    /// The heartbeat of the slowest of several threads.
    pub fn beat_slowest(&self, then_ms: u64) {
        self.words[page::SLOWEST].store(then_ms, Relaxed);
    }

    pub fn set_state(&self, state: ScoreboardState) {
        self.words[page::STATE].store(state as u64 + 1, Relaxed);
    }

    pub fn set_threads(&self, threads: u64) {
        self.words[page::THREADS].store(threads, Relaxed);
    }

    pub fn connection_opened(&self) {
        self.words[page::CONNECTIONS].fetch_add(1, Relaxed);
        self.add(counter::ACCEPTED, 1);
    }

    pub fn connection_closed(&self) {
        self.words[page::CONNECTIONS].fetch_sub(1, Relaxed);
    }

    /// Bytes that clients sent.
    pub fn received(&self, bytes: u64) {
        self.add(counter::BYTES_IN, bytes);
    }

    /// The result of `Work::change`.
    pub fn set_work(&self, word: u64) {
        self.words[page::COUNTERS + counter::BUSY].store(word, Relaxed);
    }

    /// A connection was accepted after so many milliseconds.
    pub fn accept_waited(&self, ms: u64) {
        self.add(counter::ACCEPT_WAIT + wait_bucket(ms), 1);
        if ms > 0 {
            self.add(counter::ACCEPT_WAIT_SUM, ms);
        }
    }

    /// A proxy took the request so many milliseconds ago.
    pub fn request_queued(&self, ms: u64) {
        self.add(counter::QUEUE + wait_bucket(ms), 1);
        self.add(counter::QUEUE_SUM, ms);
    }

    /// A temporary file could not be made or written.
    pub fn spool_failed(&self) {
        self.add(counter::SPOOL_FAILURES, 1);
    }

    /// A connection uses HTTP/2.
    pub fn http2_connected(&self) {
        self.add(counter::HTTP2, 1);
    }

    /// A request on an HTTP/2 connection.
    pub fn http2_requested(&self) {
        self.add(counter::HTTP2 + 1, 1);
    }

    /// An HTTP/2 connection was closed with ENHANCE_YOUR_CALM.
    pub fn http2_calmed(&self) {
        self.add(counter::HTTP2 + 2, 1);
    }

    /// Whether it takes connections that other workers pass on.
    pub fn set_room(&self, room: bool) {
        self.words[page::ROOM].store(room.into(), Relaxed);
    }

    /// A connection was passed on to another worker.
    pub fn connection_passed_on(&self) {
        self.add(counter::PASSED_ON, 1);
    }

    /// A request has waited too long.
    pub fn request_shed(&self) {
        self.add(counter::SHED, 1);
    }

    /// An exception left the app.
    pub fn exception(&self) {
        self.add(counter::EXCEPTIONS, 1);
    }

    /// Python's garbage collector has collected that generation, and the younger ones.
    pub fn collected_garbage(&self, generation: usize, micros: u64) {
        let generation = generation.min(counter::GARBAGE_GENERATIONS - 1);
        self.add(counter::GARBAGE + generation, 1);
        let time = counter::GARBAGE + counter::GARBAGE_GENERATIONS + generation;
        self.add(time, micros);
    }

    /// A file was sent without the app; `coding` is its index among the codings.
    pub fn static_answered(&self, coding: usize, status: u16) {
        let known = FILE_STATUSES.iter().position(|known| *known == status);
        let status = known.unwrap_or(counter::FILE_STATUSES - 1);
        let coding = coding.min(counter::FILE_CODINGS - 1);
        self.add(counter::FILES + coding * counter::FILE_STATUSES + status, 1);
    }

    fn add(&self, which: usize, amount: u64) {
        self.words[page::COUNTERS + which].fetch_add(amount, Relaxed);
    }
}

/// The readers' side.
impl Page {
    pub fn is_same(&self, other: Self) -> bool {
        std::ptr::eq(self.words, other.words)
    }

    pub fn pid(&self) -> u64 {
        self.words[page::PID].load(Relaxed)
    }

    pub fn slot(&self) -> u64 {
        self.words[page::SLOT].load(Relaxed)
    }

    pub fn generation(&self) -> u64 {
        self.words[page::GENERATION].load(Relaxed)
    }

    /// Monotonic milliseconds of the last heartbeat; zero before the first.
    pub fn heartbeat(&self) -> u64 {
        self.words[page::HEARTBEAT].load(Relaxed)
    }

    /// Monotonic milliseconds of the slowest thread's last heartbeat; zero unless there are several.
    pub fn slowest(&self) -> u64 {
        self.words[page::SLOWEST].load(Relaxed)
    }

    /// `None` before the worker has written a state (or when the value is invalid).
    pub fn state(&self) -> Option<ScoreboardState> {
        match self.words[page::STATE].load(Relaxed) {
            1 => Some(ScoreboardState::Booting),
            2 => Some(ScoreboardState::Ready),
            3 => Some(ScoreboardState::Accepting),
            4 => Some(ScoreboardState::Draining),
            5 => Some(ScoreboardState::Exiting),
            _ => None,
        }
    }

    /// How many threads run the app: `busy_us` grows by as many seconds in a second at the most.
    pub fn threads(&self) -> u64 {
        self.words[page::THREADS].load(Relaxed).max(1)
    }

    pub fn has_room(&self) -> bool {
        self.words[page::ROOM].load(Relaxed) == 1
    }

    pub fn connections(&self) -> u64 {
        self.words[page::CONNECTIONS].load(Relaxed)
    }

    /// Requests begun: the one counter that is read often.
    pub fn requests(&self) -> u64 {
        self.words[page::COUNTERS + counter::REQUESTS].load(Relaxed)
    }

    pub fn counters(&self) -> Counters {
        Counters::read(&self.words[page::COUNTERS..])
    }
}

/// The master's side, for `Scoreboard` alone.
impl Page {
    pub(super) fn new(words: &'static [AtomicU64]) -> Option<Self> {
        Some(Self {
            words: words.try_into().ok()?,
        })
    }

    pub(super) fn is_free(&self) -> bool {
        self.words[page::OWNED].load(Relaxed) == 0
    }

    pub(super) fn occupy(&self, slot: u32, generation: u64) {
        self.words[page::SLOT].store(slot.into(), Relaxed);
        self.words[page::GENERATION].store(generation, Relaxed);
        self.words[page::OWNED].store(1, Relaxed);
    }

    /// The pid of the worker, known after the fork.
    pub fn set_pid(&self, pid: u64) {
        self.words[page::PID].store(pid, Relaxed);
    }

    pub(super) fn clear(&self) {
        self.words.iter().for_each(|word| word.store(0, Relaxed));
    }
}

/// Log2 of the duration, rounded up.
fn bucket(micros: u64) -> usize {
    ((u64::BITS - micros.leading_zeros()) as usize).min(counter::BUCKETS - 1)
}

/// The same in milliseconds.
fn wait_bucket(ms: u64) -> usize {
    ((u64::BITS - ms.leading_zeros()) as usize).min(counter::WAITS - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_are_powers_of_two_in_microseconds() {
        assert_eq!(
            [0, 1, 2, 3, 4, 1023, 1024, u64::MAX].map(bucket),
            [0, 1, 2, 2, 3, 10, 11, 27]
        );
    }
}
