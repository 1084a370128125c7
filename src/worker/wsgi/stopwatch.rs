//! Measures how long requests wait for other things than the CPU. Only some are measured: the clock costs a system
//! call.

use crate::sys::clock;

/// One request in this many is measured.
const EVERY: u32 = 16;

#[derive(Default)]
pub struct Stopwatch {
    count: u32,
}

/// A measurement in progress, of its own thread.
pub struct Measurement {
    wall: u64,
    cpu: u64,
}

impl Stopwatch {
    pub fn start(&mut self) -> Option<Measurement> {
        let measured = self.count.is_multiple_of(EVERY);
        self.count = self.count.wrapping_add(1);
        measured.then(|| Measurement {
            wall: micros(clock::monotonic()),
            cpu: micros(clock::thread_cpu()),
        })
    }
}

impl Measurement {
    /// In microseconds.
    pub fn waited(self) -> u64 {
        let wall = micros(clock::monotonic()).saturating_sub(self.wall);
        let cpu = micros(clock::thread_cpu()).saturating_sub(self.cpu);
        wall.saturating_sub(cpu)
    }
}

fn micros(time: std::time::Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}
