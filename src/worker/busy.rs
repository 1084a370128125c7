//! The share of time that this worker is busy, written to the scoreboard when it changes. What counts depends on the
//! interface and the event loop.

use std::sync::atomic::{AtomicU8, AtomicU64, Ordering::Relaxed};

use parking_lot::Mutex;

use crate::ipc::{Page, Work};
use crate::sys::clock;

/// What counts as busy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Measure {
    /// All time between two sleeps in the reactor: the event loop sleeps nowhere else.
    Reactor,
    /// Turns of the reactor and steps of requests: the event loop (uvloop) sleeps outside our code.
    Steps,
    /// Application threads that run a request.
    Threads,
}

pub struct Busy {
    page: Page,
    measure: AtomicU8,
    /// Only one thread at a time changes it, so the lock is never contended.
    work: Mutex<Work>,
    /// Busy threads, so that the frequent check needs no lock.
    threads: AtomicU64,
}

impl Busy {
    pub fn new(page: Page) -> Self {
        Self {
            page,
            measure: AtomicU8::new(Measure::Reactor as u8),
            work: Mutex::default(),
            threads: AtomicU64::new(0),
        }
    }

    /// Set once, before the first request. `threads`: how many there are in total.
    pub fn measure(&self, measure: Measure, threads: u64) {
        self.measure.store(measure as u8, Relaxed);
        self.page.set_threads(threads);
        self.change(0, clock::monotonic_us());
    }

    fn is(&self, measure: Measure) -> bool {
        self.measure.load(Relaxed) == measure as u8
    }

    /// The reactor is about to sleep.
    pub fn falls_asleep(&self) {
        if self.is(Measure::Reactor) {
            self.change(0, clock::monotonic_us());
        }
    }

    /// The reactor has woken up, at `now` in monotonic microseconds.
    pub fn wakes_up(&self, now_us: u64) {
        if self.is(Measure::Reactor) {
            self.change(1, now_us);
        }
    }

    /// A step begins; it ends when the returned value is dropped. A nested step counts as part of the outer one.
    #[must_use]
    pub fn step(&self) -> Option<BusyStep<'_>> {
        if !self.is(Measure::Steps) || self.threads.load(Relaxed) > 0 {
            return None;
        }
        self.change(1, clock::monotonic_us());
        Some(BusyStep(self))
    }

    /// So many application threads are busy.
    pub fn threads(&self, threads: usize) {
        self.change(threads as u64, clock::monotonic_us());
    }

    fn change(&self, threads: u64, now_us: u64) {
        self.threads.store(threads, Relaxed);
        let word = self.work.lock().change(threads, now_us);
        self.page.set_work(word);
    }
}

pub struct BusyStep<'b>(&'b Busy);

impl Drop for BusyStep<'_> {
    fn drop(&mut self) {
        self.0.change(0, clock::monotonic_us());
    }
}
