//! The delay between respawns of a slot whose workers fail: 0, 1, 2, 4 … 30 seconds, at most 2 if they were ready.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Exit, Moment, Retry};

const LONGEST: Duration = Duration::from_secs(30);
/// Its boot works: the exit may be caused by one client's requests, and all others wait for the respawn.
const LONGEST_AFTER_READY: Duration = Duration::from_secs(2);
/// A worker that was ready for this long clears the count: the next failure is the first again.
const HEALTHY: Duration = Duration::from_secs(10);
/// So many boots that are killed from outside do not count: that is not the fault of the code.
const EXCUSED_KILLS: u32 = 2;
/// An exit of its own this soon after `Ready` counts as a failed boot.
const EARLY: Duration = Duration::from_secs(5);

#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Pacing {
    pub(super) failures: u32,
    /// Boots that were killed from outside.
    kills: u32,
    last_failure: Moment,
    /// No spawn before this.
    pub(super) not_before: Moment,
}

impl Pacing {
    /// A boot failed. `ready`: since when the worker that it was to replace has been ready, if there is one.
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

    /// A worker that has become ready since the last failure, and still serves, clears the count like one that has
    /// ended.
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

    /// A worker that had been ready for `uptime` ended for a reason that does not count against its successor.
    pub(super) fn ended(&mut self, now: Moment, uptime: Duration) -> Retry {
        self.not_before = now;
        self.forget_if_healthy(uptime);
        Retry::AtOnce
    }
}

/// Whether a ready worker's unasked exit counts as a failure: soon after `Ready`, and its own fault. A signal from
/// outside (SIGKILL, the OOM killer, an operator's SIGTERM) does not count; a crash (SIGSEGV and the like) does, or a
/// worker that crashes right after `Ready` would be respawned without a pause.
pub(super) fn is_failure(exit: Exit, uptime: Duration) -> bool {
    uptime < EARLY
        && match exit {
            Exit::Code(_) => true,
            Exit::Signal { signal, .. } => is_crash(signal),
            Exit::OutOfMemory => false,
        }
}

/// SIGKILL of a booting worker from outside: our own is sent only when it no longer counts as booting.
pub(super) fn is_kill(exit: Exit) -> bool {
    matches!(exit, Exit::Signal { signal: 9, .. })
}

/// Signals that a process raises by its own fault, in Linux numbers: ILL, TRAP, ABRT, BUS, FPE, SEGV, SYS.
fn is_crash(signal: i32) -> bool {
    matches!(signal, 4..=8 | 11 | 31)
}
