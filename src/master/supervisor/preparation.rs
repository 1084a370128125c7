//! The commands that run before the first boot, one after the other.
//!
//! A command is never left running: a stop waits for its exit, which has a deadline like any other.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::mutation::fault;
use super::steps::FAST;
use super::{Action, MasterPhase, Moment, Report, Signal, StopMode, Supervisor};

/// As timeout(1).
const TIMED_OUT: u8 = 124;

/// One command and its state.
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

impl Course {
    /// No stop is in progress.
    pub(super) fn goes_on(self) -> bool {
        matches!(self, Self::Due | Self::Running { .. })
    }
}

impl Supervisor {
    pub(super) fn first_phase(preparations: u32) -> MasterPhase {
        if preparations == 0 {
            MasterPhase::FirstBoot
        } else {
            MasterPhase::Preparing(Preparation {
                step: 0,
                course: Course::Due,
            })
        }
    }

    pub(super) fn start_preparation(&mut self) {
        let MasterPhase::Preparing(Preparation {
            step,
            course: Course::Due,
        }) = self.phase
        else {
            return;
        };
        let until = self
            .plan
            .preparation_timeout
            .map(|limit| self.now() + limit);
        self.set_course(step, Course::Running { until });
        self.act(Action::Prepare { step });
    }

    /// The command has exited. `code`: 0 is success, anything else ends the server.
    pub(super) fn take_prepared(&mut self, ended: u32, code: u8) {
        let MasterPhase::Preparing(Preparation { step, course }) = self.phase else {
            return;
        };
        if step != ended {
            return;
        }
        match course {
            Course::Due => {}
            Course::Running { .. } if code == 0 || fault!(self, FailedPreparationIgnored) => {
                let next = step + 1;
                if next < self.plan.preparations {
                    self.set_course(next, Course::Due);
                } else {
                    self.phase = MasterPhase::FirstBoot;
                }
            }
            Course::Running { .. } => {
                self.report(Report::PreparationFailed { step, code });
                self.leave_unprepared(code);
            }
            Course::Ending { code, .. } | Course::Killed { code } => self.leave_unprepared(code),
        }
    }

    pub(super) fn preparation_deadline(&self) -> Option<Moment> {
        match self.phase {
            MasterPhase::Preparing(Preparation { course, .. }) => match course {
                Course::Running { until } => until,
                Course::Ending { kill_at, .. } => Some(kill_at),
                Course::Due | Course::Killed { .. } => None,
            },
            MasterPhase::FirstBoot
            | MasterPhase::Running
            | MasterPhase::Delayed { .. }
            | MasterPhase::Stopping { .. }
            | MasterPhase::Closing { .. }
            | MasterPhase::Gone => None,
        }
    }

    pub(super) fn enforce_preparation(&mut self) {
        let (MasterPhase::Preparing(Preparation { step, course }), Some(at)) =
            (self.phase, self.preparation_deadline())
        else {
            return;
        };
        if at > self.now() {
            return;
        }
        match course {
            Course::Running { .. } => {
                self.report(Report::PreparationTimedOut { step });
                self.abandon();
                self.end_preparation(Signal::Term, self.plan.graceful_timeout, TIMED_OUT);
            }
            Course::Ending { code, .. } if !fault!(self, NoKillOfPreparation) => {
                self.set_course(step, Course::Killed { code });
                self.act(Action::KillPreparation);
            }
            Course::Ending { .. } => self.set_course(step, Course::Killed { code: 0 }),
            Course::Due | Course::Killed { .. } => {}
        }
    }

    /// Ordered to stop: the command gets the same signal, and its exit is awaited.
    pub(super) fn stop_preparation(&mut self, mode: StopMode, signal: Signal) {
        let MasterPhase::Preparing(Preparation { course, .. }) = self.phase else {
            return;
        };
        self.report(Report::Stopping { mode });
        if course.goes_on() {
            self.abandon();
        }
        let limit = match mode {
            StopMode::Graceful => self.plan.graceful_timeout,
            StopMode::Fast => FAST,
        };
        match course {
            Course::Due => self.leave_unprepared(0),
            Course::Running { .. } => self.end_preparation(signal, limit, 0),
            Course::Ending { kill_at, code } => {
                let left = kill_at.since(self.now());
                self.end_preparation(signal, limit.min(left), code);
            }
            Course::Killed { .. } => {}
        }
    }

    fn end_preparation(&mut self, signal: Signal, limit: Duration, code: u8) {
        let MasterPhase::Preparing(Preparation { step, .. }) = self.phase else {
            return;
        };
        let kill_at = self.now() + limit;
        self.set_course(step, Course::Ending { kill_at, code });
        self.act(Action::SignalPreparation { signal });
    }

    fn leave_unprepared(&mut self, code: u8) {
        if self.keeps_up() {
            self.abandon();
        }
        self.phase = MasterPhase::Stopping {
            mode: StopMode::Fast,
            code,
            by: self.now() + self.plan.graceful_timeout,
        };
        self.close_listeners();
    }

    fn set_course(&mut self, step: u32, course: Course) {
        self.phase = MasterPhase::Preparing(Preparation { step, course });
    }
}
