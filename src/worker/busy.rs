//! How much of its time this worker is at work, told to the scoreboard when it changes. What is work depends on who runs the app.

use std::sync::atomic::{AtomicU8, AtomicU64, Ordering::Relaxed};

use parking_lot::Mutex;

use crate::ipc::{Page, Work};
use crate::sys::clock;

/// What counts as work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Measure {
    /// Everything between two sleeps in the reactor: the event loop sleeps nowhere else.
    Reactor,
    /// Turns of the reactor and steps of requests: the event loop (uvloop) sleeps where we do not see it.
    Steps,
    /// Application threads that run a request.
    Threads,
}

pub struct Busy {
    page: Page,
    measure: AtomicU8,
    /// Only one thread at a time changes it, so the lock is never waited for.
    work: Mutex<Work>,
    /// Threads at work, so that the common question needs no lock.
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

    /// Said once, before the first request. `threads`: how many there are to be at work.
    pub fn measure(&self, measure: Measure, threads: u64) {
        self.measure.store(measure as u8, Relaxed);
        self.page.set_threads(threads);
        self.change(0, clock::monotonic_us());
    }

    fn is(&self, measure: Measure) -> bool {
        self.measure.load(Relaxed) == measure as u8
    }

    /// The reactor goes to sleep.
    pub fn falls_asleep(&self) {
        if self.is(Measure::Reactor) {
            self.change(0, clock::monotonic_us());
        }
    }

    /// The reactor is awake, at `now` in monotonic microseconds.
    pub fn wakes_up(&self, now_us: u64) {
        if self.is(Measure::Reactor) {
            self.change(1, now_us);
        }
    }

    /// A step begins; it ends when what is returned is dropped. A step within a step is part of it.
    #[must_use]
    pub fn step(&self) -> Option<Step<'_>> {
        if !self.is(Measure::Steps) || self.threads.load(Relaxed) > 0 {
            return None;
        }
        self.change(1, clock::monotonic_us());
        Some(Step(self))
    }

    /// So many application threads are at work.
    pub fn threads(&self, threads: usize) {
        self.change(threads as u64, clock::monotonic_us());
    }

    fn change(&self, threads: u64, now_us: u64) {
        self.threads.store(threads, Relaxed);
        let word = self.work.lock().change(threads, now_us);
        self.page.set_work(word);
    }
}

pub struct Step<'b>(&'b Busy);

impl Drop for Step<'_> {
    fn drop(&mut self) {
        self.0.change(0, clock::monotonic_us());
    }
}
