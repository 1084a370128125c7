//! The delay between respawns of a slot whose workers fail: 0, 1, 2, 4 … 30 seconds, at most 2 when they were ready. It
//! decides nothing else.

use std::time::Duration;

use super::{Exit, Moment, Retry};

const LONGEST: Duration = Duration::from_secs(30);
/// Its boot is well: what ends it may be one client's requests, and all the others wait for this.
const LONGEST_AFTER_READY: Duration = Duration::from_secs(2);
/// A worker that was ready for that long shows that the slot is well: the next failure is the first again.
const HEALTHY: Duration = Duration::from_secs(10);
/// So many boots that are killed from outside do not count: that says nothing of the code.
const EXCUSED_KILLS: u32 = 2;
/// An end of its own that soon after `Ready` is as good as a failed boot.
const EARLY: Duration = Duration::from_secs(5);

#[derive(Debug, Default)]
pub(super) struct Pacing {
    pub(super) failures: u32,
    /// Boots that were killed from outside.
    kills: u32,
    last_failure: Moment,
    /// No spawn before this.
    pub(super) not_before: Moment,
}

impl Pacing {
    /// A boot failed. `ready`: since when the worker is ready that it was to replace, if there is one.
    pub(super) fn failed(&mut self, now: Moment, ready: Option<Moment>) -> Retry {
        self.look_at(now, ready);
        self.delay(now, LONGEST)
    }

    /// A boot was killed by a SIGKILL that is neither ours nor the out-of-memory killer's.
    pub(super) fn killed(&mut self, now: Moment, ready: Option<Moment>) -> Retry {
        self.look_at(now, ready);
        self.kills = self.kills.saturating_add(1);
        if self.kills > EXCUSED_KILLS {
            return self.delay(now, LONGEST_AFTER_READY);
        }
        self.last_failure = now;
        self.not_before = now;
        Retry::AtOnce
    }

    /// A worker that has become ready since the last failure, and serves on, clears the count as one that has ended does.
    fn look_at(&mut self, now: Moment, ready: Option<Moment>) {
        if let Some(ready) = ready.filter(|ready| *ready > self.last_failure) {
            self.forget_if_healthy(now.since(ready));
        }
    }

    fn forget_if_healthy(&mut self, uptime: Duration) {
        if uptime >= HEALTHY {
            (self.failures, self.kills) = (0, 0);
        }
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
        self.last_failure = now;
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
        self.forget_if_healthy(uptime);
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

/// SIGKILL of a booting worker: ours comes when it is not booting any more.
pub(super) fn is_kill(exit: Exit) -> bool {
    matches!(exit, Exit::Signal { signal: 9, .. })
}

/// Signals that a process raises against itself, in Linux numbers: ILL, TRAP, ABRT, BUS, FPE, SEGV, SYS.
fn is_crash(signal: i32) -> bool {
    matches!(signal, 4..=8 | 11 | 31)
}
