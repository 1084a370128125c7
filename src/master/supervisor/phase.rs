//! The phases of the master's life, from the commands before the first boot to its exit.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Moment, StopMode};

/// A fast stop takes two seconds (tasks cancelled, lifespan ended), and one to finalise Python.
pub(super) const FAST: Duration = Duration::from_secs(3);

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum MasterPhase {
    /// A command runs that must succeed before any worker boots.
    Preparing(Preparation),
    /// Not every slot has had a ready worker yet.
    FirstBoot,
    Running,
    /// `--shutdown-delay`: still accepting, no longer replacing workers.
    Delayed {
        until: Moment,
    },
    /// `by`: when `--graceful-timeout` is over.
    Stopping {
        mode: StopMode,
        code: u8,
        by: Moment,
    },
    /// Workers have exited; the last hook runs, and the helpers end.
    Closing {
        since: Moment,
        until: Moment,
        code: u8,
    },
    Gone,
}

/// One command that runs before the first boot, and its state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Preparation {
    pub(super) step: u32,
    pub(super) course: Course,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Course {
    /// To be started.
    Due,
    Running {
        until: Option<Moment>,
    },
    /// Ordered to exit. Whatever its exit code is, the server exits with this one.
    Ending {
        kill_at: Moment,
        code: u8,
    },
    Killed {
        code: u8,
    },
}

impl MasterPhase {
    /// `preparations`: how many commands run before the first boot.
    pub(super) fn first(preparations: u32) -> Self {
        if preparations == 0 {
            Self::FirstBoot
        } else {
            Self::Preparing(Preparation {
                step: 0,
                course: Course::Due,
            })
        }
    }

    /// The first boot or normal service: workers that end are replaced.
    pub(super) fn keeps_up(self) -> bool {
        match self {
            Self::Preparing(Preparation { course, .. }) => course.goes_on(),
            Self::FirstBoot | Self::Running => true,
            Self::Delayed { .. } | Self::Stopping { .. } | Self::Closing { .. } | Self::Gone => {
                false
            }
        }
    }

    pub(super) fn deadline(self) -> Option<Moment> {
        match self {
            Self::Preparing(Preparation { course, .. }) => match course {
                Course::Running { until } => until,
                Course::Ending { kill_at, .. } => Some(kill_at),
                Course::Due | Course::Killed { .. } => None,
            },
            Self::Delayed { until } | Self::Closing { until, .. } => Some(until),
            Self::FirstBoot | Self::Running | Self::Stopping { .. } | Self::Gone => None,
        }
    }

    /// Helpers that end are started again.
    pub(super) fn keeps_helpers(self) -> bool {
        !matches!(self, Self::Closing { .. } | Self::Gone)
    }
}

impl Course {
    /// No stop is in progress.
    pub(super) fn goes_on(self) -> bool {
        matches!(self, Self::Due | Self::Running { .. })
    }
}
