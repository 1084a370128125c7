//! A worker's rates per second, from two samples of its counters.

use crate::ipc::Counters;

/// The last two samples.
#[derive(Debug, Clone, Copy, Default)]
pub struct Rate {
    before: RateSample,
    last: RateSample,
}

#[derive(Debug, Clone, Copy, Default)]
struct RateSample {
    at_ms: u64,
    requests: u64,
    busy_us: u64,
    queued: u64,
    queued_ms: u64,
}

impl Rate {
    /// Samples closer together than half a second are too inaccurate.
    const APART_MS: u64 = 500;

    pub fn look(&mut self, now_ms: u64, counters: &Counters) {
        if now_ms.saturating_sub(self.last.at_ms) < Self::APART_MS {
            return;
        }
        self.before = self.last;
        self.last = RateSample {
            at_ms: now_ms,
            requests: counters.requests,
            busy_us: counters.busy_us,
            queued: counters.queue.counts.iter().sum(),
            queued_ms: counters.queue.sum_ms,
        };
    }

    /// Seconds between the samples; `None` before the second one.
    fn seconds(&self) -> Option<f64> {
        let apart = self.last.at_ms.saturating_sub(self.before.at_ms);
        (self.before.at_ms > 0 && apart > 0).then(|| ms(apart) / 1e3)
    }

    pub fn requests_per_second(&self) -> f64 {
        let more = self.last.requests.saturating_sub(self.before.requests);
        self.seconds().map_or(0.0, |seconds| ms(more) / seconds)
    }

    /// Number of requests with a timestamp from the proxy in front, and their total queueing time in milliseconds.
    pub fn queued(&self) -> (u64, u64) {
        (
            self.last.queued.saturating_sub(self.before.queued),
            self.last.queued_ms.saturating_sub(self.before.queued_ms),
        )
    }

    /// Share of the total time of `threads` threads.
    pub fn busy(&self, threads: u64) -> f64 {
        let more = self.last.busy_us.saturating_sub(self.before.busy_us);
        let whole = self.seconds().unwrap_or(0.0) * 1e6 * ms(threads.max(1));
        if whole > 0.0 {
            (ms(more) / whole).min(1.0)
        } else {
            0.0
        }
    }
}

/// Exact up to 2^53.
#[allow(clippy::cast_precision_loss, reason = "a rate for people")]
fn ms(number: u64) -> f64 {
    number as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counters(requests: u64, busy_us: u64) -> Counters {
        Counters {
            requests,
            busy_us,
            ..Counters::default()
        }
    }

    #[test]
    fn two_looks_make_a_rate() {
        let mut rate = Rate::default();
        rate.look(1_000, &counters(10, 0));
        assert!(rate.requests_per_second().abs() < 1e-9);
        rate.look(1_100, &counters(900, 0));
        rate.look(3_000, &counters(50, 1_000_000));
        assert!((rate.requests_per_second() - 20.0).abs() < 1e-9);
        assert!((rate.busy(1) - 0.5).abs() < 1e-9);
        assert!((rate.busy(4) - 0.125).abs() < 1e-9);
    }
}
