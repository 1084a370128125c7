//! Hung workers: found by their heartbeats, made to print their stacks, killed (`overdue.rs`), replaced at once. If only one of
//! several threads hangs, the replacement comes first.

use std::time::Duration;

use super::mutation::fault;
use super::server::Server;
use super::worker::{ThreadHealth, WorkerLife};
use super::{
    Action, Beat, Extent, Incarnation, ReloadFailure, Report, Retirement, orders, overdue, refork,
    retirement, rollout,
};

pub(super) fn take_beat(server: &mut Server, beat: Beat) {
    take_heartbeat(server, beat.incarnation, beat.age);
    if let Some(age) = beat.slowest {
        take_quiet_thread(server, beat.incarnation, age);
    }
    retirement::look_at_limits(server, beat);
    refork::look_at(server, beat);
}

fn take_heartbeat(server: &mut Server, incarnation: Incarnation, age: Duration) {
    let (now, timeout) = (server.now(), server.plan.timeout);
    let Some(worker) = server.workers.get_mut(incarnation).filter(|w| w.is_heard()) else {
        return;
    };
    // Time in which we did not run is included in `age`, but not between the last heartbeat and our own now.
    worker.beat = worker.beat.max(now - age);
    let (who, quiet, uptime) = (worker.who, now.since(worker.beat), worker.uptime(now));
    if timeout.is_none_or(|limit| quiet <= limit) || fault!(server.effects, HungIsLeftAlone) {
        return;
    }
    if matches!(worker.life, WorkerLife::Draining { .. }) {
        // Its other threads have finished; there is nothing to wait for but the hung one.
        overdue::end_hung(server, incarnation);
        return;
    }
    let standby = worker.life == WorkerLife::Standby;
    server.report(Report::WorkerHung {
        worker: who,
        age: quiet,
        extent: Extent::Whole,
    });
    orders::dump_stacks(server, incarnation);
    if standby && server.is_rolled_out(who) {
        rollout::fail(server, ReloadFailure::Hung { worker: who });
    }
    if let Some(place) = server.place_of(who) {
        place.pacing.ended(now, uptime);
    }
}

/// The worker keeps serving with its other threads until a replacement is ready. Then it drains, and is killed
/// when only the hung thread is left.
fn take_quiet_thread(server: &mut Server, incarnation: Incarnation, age: Duration) {
    let (now, timeout) = (server.now(), server.plan.timeout);
    let Some(worker) = server.workers.get_mut(incarnation).filter(|w| w.is_ready()) else {
        return;
    };
    worker.slowest = worker.slowest.max(now - age);
    let (who, quiet) = (worker.who, now.since(worker.slowest));
    if timeout.is_none_or(|limit| quiet <= limit) || fault!(server.effects, HungThreadIsLeftAlone) {
        return;
    }
    if std::mem::replace(&mut worker.threads, ThreadHealth::OneHangs) == ThreadHealth::OneHangs {
        // Known already. But a reload that was rolled back may have dropped the retirement.
        retirement::add(server, incarnation, Retirement::Hung);
        return;
    }
    server.report(Report::WorkerHung {
        worker: who,
        age: quiet,
        extent: Extent::Thread,
    });
    server.act(Action::DumpStacks { incarnation });
    retirement::add(server, incarnation, Retirement::Hung);
}
