//! How long a request waits for other things than the CPU. It measures some requests, not all: the clock costs a call.

use crate::sys::clock;

/// Every so many requests one is measured.
const EVERY: u32 = 16;

#[derive(Default)]
pub struct Stopwatch {
    count: u32,
}

/// A request that is measured. Of its own thread alone.
pub struct Running {
    wall: u64,
    cpu: u64,
}

impl Stopwatch {
    pub fn start(&mut self) -> Option<Running> {
        let measured = self.count.is_multiple_of(EVERY);
        self.count = self.count.wrapping_add(1);
        measured.then(|| Running {
            wall: micros(clock::monotonic()),
            cpu: micros(clock::thread_cpu()),
        })
    }
}

impl Running {
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
