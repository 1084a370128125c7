//! The delay between respawns of a slot whose workers fail: 0, 1, 2, 4 … 30 seconds, at most 2 when they were ready. It
//! decides nothing else.

use std::time::Duration;

use super::{Exit, Moment, Retry};

const LONGEST: Duration = Duration::from_secs(30);
/// Its boot is well: what ends it may be one client's requests, and all the others wait for this.
const LONGEST_AFTER_READY: Duration = Duration::from_secs(2);
/// A worker that was ready for that long shows that the slot is well: the next failure is the first again.
const HEALTHY: Duration = Duration::from_secs(60);
/// An end of its own that soon after `Ready` is as good as a failed boot.
const EARLY: Duration = Duration::from_secs(5);

#[derive(Debug, Default)]
pub(super) struct Pacing {
    pub(super) failures: u32,
    /// No spawn before this.
    pub(super) not_before: Moment,
}

impl Pacing {
    /// A boot failed.
    pub(super) fn failed(&mut self, now: Moment) -> Retry {
        self.delay(now, LONGEST)
    }

    /// A worker ended early, but had been ready.
    pub(super) fn ended_early(&mut self, now: Moment) -> Retry {
        self.delay(now, LONGEST_AFTER_READY)
    }

    fn delay(&mut self, now: Moment, longest: Duration) -> Retry {
        self.failures = self.failures.saturating_add(1);
        let delay = match self.failures {
            0 | 1 => Duration::ZERO,
            n => Duration::from_secs(1u64 << (n - 2).min(5)).min(longest),
        };
        self.not_before = now + delay;
        if delay.is_zero() {
            Retry::AtOnce
        } else {
            Retry::Paced {
                failures: self.failures,
                delay,
            }
        }
    }

    /// A worker that had been ready for `uptime` ended for a reason that is not held against its successor.
    pub(super) fn ended(&mut self, now: Moment, uptime: Duration) -> Retry {
        self.not_before = now;
        if uptime >= HEALTHY {
            self.failures = 0;
        }
        Retry::AtOnce
    }
}

/// Whether a ready worker's unasked end counts as a failure: soon after `Ready`, and of its own doing. A signal from
/// outside (SIGKILL, the OOM killer, an operator's SIGTERM) is not; a crash (SIGSEGV and its kin) is, or a worker that
/// crashes right after `Ready` would be forked without a pause.
pub(super) fn is_failure(exit: Exit, uptime: Duration) -> bool {
    uptime < EARLY
        && match exit {
            Exit::Code(_) => true,
            Exit::Signal { signal, .. } => is_crash(signal),
            Exit::OutOfMemory => false,
        }
}

/// Signals that a process raises against itself, in Linux numbers: ILL, TRAP, ABRT, BUS, FPE, SEGV, SYS.
fn is_crash(signal: i32) -> bool {
    matches!(signal, 4..=8 | 11 | 31)
}
