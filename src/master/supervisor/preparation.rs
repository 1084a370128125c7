//! The commands that run before the first boot, one after the other.
//!
//! A command is never left running: a stop waits for its exit, which has a deadline like any other.

use std::time::Duration;

use super::mutation::fault;
use super::phase::{Course, FAST, MasterPhase, Preparation};
use super::server::Server;
use super::{Action, Report, Signal, StopMode, closing};

/// As timeout(1).
const TIMED_OUT: u8 = 124;

pub(super) fn start(server: &mut Server) {
    let MasterPhase::Preparing(Preparation {
        step,
        course: Course::Due,
    }) = server.phase
    else {
        return;
    };
    let until = server
        .plan
        .preparation_timeout
        .map(|limit| server.now() + limit);
    set_course(server, step, Course::Running { until });
    server.act(Action::Prepare { step });
}

/// The command has exited. `code`: 0 is success, anything else ends the server.
pub(super) fn take_end(server: &mut Server, ended: u32, code: u8) {
    let MasterPhase::Preparing(Preparation { step, course }) = server.phase else {
        return;
    };
    if step != ended {
        return;
    }
    match course {
        Course::Due => {}
        Course::Running { .. } if code == 0 || fault!(server.effects, FailedPreparationIgnored) => {
            let next = step + 1;
            if next < server.plan.preparations {
                set_course(server, next, Course::Due);
            } else {
                server.phase = MasterPhase::FirstBoot;
            }
        }
        Course::Running { .. } => {
            server.report(Report::PreparationFailed { step, code });
            leave(server, code);
        }
        Course::Ending { code, .. } | Course::Killed { code } => leave(server, code),
    }
}

pub(super) fn enforce(server: &mut Server) {
    let (MasterPhase::Preparing(Preparation { step, course }), Some(at)) =
        (server.phase, server.phase.deadline())
    else {
        return;
    };
    if at > server.now() {
        return;
    }
    match course {
        Course::Running { .. } => {
            server.report(Report::PreparationTimedOut { step });
            closing::abandon(server);
            end(
                server,
                Signal::Term,
                server.plan.graceful_timeout,
                TIMED_OUT,
            );
        }
        Course::Ending { code, .. } if !fault!(server.effects, NoKillOfPreparation) => {
            set_course(server, step, Course::Killed { code });
            server.act(Action::KillPreparation);
        }
        Course::Ending { .. } => set_course(server, step, Course::Killed { code: 0 }),
        Course::Due | Course::Killed { .. } => {}
    }
}

/// Ordered to stop: the command gets the same signal, and its exit is awaited.
pub(super) fn stop(server: &mut Server, mode: StopMode, signal: Signal) {
    let MasterPhase::Preparing(Preparation { course, .. }) = server.phase else {
        return;
    };
    server.report(Report::Stopping { mode });
    if course.goes_on() {
        closing::abandon(server);
    }
    let limit = match mode {
        StopMode::Graceful => server.plan.graceful_timeout,
        StopMode::Fast => FAST,
    };
    match course {
        Course::Due => leave(server, 0),
        Course::Running { .. } => end(server, signal, limit, 0),
        Course::Ending { kill_at, code } => {
            let left = kill_at.since(server.now());
            end(server, signal, limit.min(left), code);
        }
        Course::Killed { .. } => {}
    }
}

fn end(server: &mut Server, signal: Signal, limit: Duration, code: u8) {
    let MasterPhase::Preparing(Preparation { step, .. }) = server.phase else {
        return;
    };
    let kill_at = server.now() + limit;
    set_course(server, step, Course::Ending { kill_at, code });
    server.act(Action::SignalPreparation { signal });
}

fn leave(server: &mut Server, code: u8) {
    if server.keeps_up() {
        closing::abandon(server);
    }
    server.phase = MasterPhase::Stopping {
        mode: StopMode::Fast,
        code,
        by: server.now() + server.plan.graceful_timeout,
    };
    closing::close_listeners(server);
}

fn set_course(server: &mut Server, step: u32, course: Course) {
    server.phase = MasterPhase::Preparing(Preparation { step, course });
}
