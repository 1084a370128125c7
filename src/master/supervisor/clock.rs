//! The supervisor's own time: the caller's, minus the spans in which the master did not run.
//!
//! A master that was stopped (SIGSTOP, a frozen cgroup, a suspended machine) must not resume by killing all workers
//! for deadlines that passed in that time. So that time does not count, for any deadline. The supervisor asks to be
//! called once a second (`PULSE`): any delay beyond that counts as lost.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Moment;

/// The longest pause between two calls that the supervisor asks for.
pub(super) const PULSE: Duration = Duration::from_secs(1);
/// A call this late is due to scheduling; later than this, the master did not run.
const TOLERANCE: Duration = Duration::from_secs(1);

#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Clock {
    now: Moment,
    /// By how much the caller's time is ahead of ours.
    lost: Duration,
    /// When we asked to be called at the latest, in our time.
    expected: Option<Moment>,
}

impl Clock {
    pub(super) fn now(&self) -> Moment {
        self.now
    }

    /// Adopts the caller's time; returns the span that was lost. In that case ours stands still: messages that
    /// arrived in that span are still unread, and no deadline may be enforced before they are.
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
