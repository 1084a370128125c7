//! What the master publishes of itself in the scoreboard's header, for probes and metrics.

use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;

use super::layout::header;

/// Why a slot has another worker than before, in the order of `ServiceFacts::restarts`.
pub const CAUSES: [&str; 9] = [
    "exit",
    "signal",
    "hung",
    "boot",
    "max-requests",
    "max-worker-memory",
    "max-worker-lifetime",
    "asked",
    "out-of-memory",
];

const _: () = assert!(header::RESTARTS + CAUSES.len() <= header::HELD);

/// The service as a whole, as the master sees it: what a readiness probe asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Service {
    /// Not every slot has had a ready worker yet.
    Booting,
    Ready,
    /// As good as ready: the old workers serve.
    Reloading,
    /// From the first TERM on, also while connections are still accepted.
    Stopping,
}

/// As of the last turn of the master's loop; the counts only grow.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ServiceFacts {
    /// Monotonic milliseconds; at least once a second.
    pub beat_ms: u64,
    pub pid: u64,
    /// How many workers are wanted.
    pub target: u64,
    /// The one that serves.
    pub generation: u64,
    /// Every slot has had a ready worker once.
    pub started: bool,
    pub reloads: u64,
    pub reloads_failed: u64,
    pub restarts: [u64; CAUSES.len()],
    /// How often the monitor has died, or hung, and was started again.
    pub monitor_restarts: u64,
    /// Of the first listeners, in their order: connections that wait to be accepted, and how many may. TCP's only.
    pub queues: [Queue; header::QUEUES],
    pub scaling: ScalingFacts,
}

/// Of a number of workers that follows the load.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ScalingFacts {
    pub least: u64,
    /// Zero: the number is fixed.
    pub most: u64,
    pub ups: u64,
    pub downs: u64,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Queue {
    pub waiting: u64,
    /// Zero: unknown.
    pub most: u64,
}

impl ServiceFacts {
    pub const QUEUES: usize = header::QUEUES;

    pub(super) fn read(words: &[AtomicU64]) -> Self {
        let word = |index: usize| words.get(index).map_or(0, |word| word.load(Relaxed));
        Self {
            beat_ms: word(header::BEAT),
            pid: word(header::PID),
            target: word(header::TARGET),
            generation: word(header::GENERATION),
            started: word(header::STARTED) != 0,
            reloads: word(header::RELOADS),
            reloads_failed: word(header::RELOADS + 1),
            restarts: std::array::from_fn(|cause| word(header::RESTARTS + cause)),
            monitor_restarts: word(header::MONITOR_RESTARTS),
            queues: std::array::from_fn(|n| Queue {
                waiting: word(header::QUEUE + 2 * n),
                most: word(header::QUEUE + 2 * n + 1),
            }),
            scaling: ScalingFacts {
                least: word(header::SCALING),
                most: word(header::SCALING + 1),
                ups: word(header::SCALING + 2),
                downs: word(header::SCALING + 3),
            },
        }
    }

    pub(super) fn write(&self, words: &[AtomicU64]) {
        let store = |index: usize, value: u64| {
            if let Some(word) = words.get(index) {
                word.store(value, Relaxed);
            }
        };
        store(header::PID, self.pid);
        store(header::TARGET, self.target);
        store(header::GENERATION, self.generation);
        store(header::STARTED, self.started.into());
        store(header::RELOADS, self.reloads);
        store(header::RELOADS + 1, self.reloads_failed);
        for (cause, count) in self.restarts.iter().enumerate() {
            store(header::RESTARTS + cause, *count);
        }
        store(header::MONITOR_RESTARTS, self.monitor_restarts);
        for (n, queue) in self.queues.iter().enumerate() {
            store(header::QUEUE + 2 * n, queue.waiting);
            store(header::QUEUE + 2 * n + 1, queue.most);
        }
        let ScalingFacts {
            least,
            most,
            ups,
            downs,
        } = self.scaling;
        for (n, number) in [least, most, ups, downs].into_iter().enumerate() {
            store(header::SCALING + n, number);
        }
        store(header::BEAT, self.beat_ms);
    }
}
