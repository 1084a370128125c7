//! The supervisor's own time: the caller's, less the spans in which the master did not run. It reads no clock.
//!
//! A master that was stopped (SIGSTOP, a frozen cgroup, a suspended machine) must not wake up and kill everybody for
//! deadlines that passed meanwhile. So that time does not count, for any deadline. The supervisor wants to be called once
//! a second (`PULSE`): whatever goes beyond that is found lost.

use std::time::Duration;

use super::Moment;

/// The longest pause between two calls that is asked for.
pub(super) const PULSE: Duration = Duration::from_secs(1);
/// A call that comes this late is scheduling; later than this, the master did not run.
const TOLERANCE: Duration = Duration::from_secs(1);

#[derive(Debug, Default)]
pub(super) struct Clock {
    now: Moment,
    /// What the caller's time is ahead of ours.
    lost: Duration,
    /// When we asked to be called at the latest, in our time.
    expected: Option<Moment>,
}

impl Clock {
    pub(super) fn now(&self) -> Moment {
        self.now
    }

    /// Takes the caller's time over; returns the span that was found lost. Then ours stands still: what the workers said
    /// while we slept is still unread, and nothing may be judged before it was.
    pub(super) fn advance(&mut self, caller: Moment) -> Option<Duration> {
        let own = caller - self.lost;
        let pause = own.since(self.now);
        let late = self
            .expected
            .is_some_and(|expected| own.since(expected) > TOLERANCE);
        if late {
            self.lost += pause;
            return Some(pause);
        }
        self.now = self.now.max(own);
        None
    }

    pub(super) fn expect(&mut self, wake: Option<Moment>) {
        self.expected = wake;
    }

    /// The caller's time at which `own` is reached.
    pub(super) fn for_caller(&self, own: Moment) -> Moment {
        own + self.lost
    }
}
