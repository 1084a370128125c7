//! Hung workers: found by their heartbeats, made to print their stacks, killed, replaced at once. If only one of
//! several threads hangs, the replacement comes first. A boot that takes too long prints its stacks as well.

use std::time::Duration;

use super::mutation::fault;
use super::worker::{BootTime, ThreadHealth, WorkerLife};
use super::{
    Abort, Action, Beat, BootFailure, Extent, Incarnation, KillReason, MasterPhase, ReloadFailure,
    Report, Retirement, Supervisor, Who,
};

impl Supervisor {
    pub(super) fn take_beat(&mut self, beat: Beat) {
        self.take_heartbeat(beat.incarnation, beat.age);
        if let Some(age) = beat.slowest {
            self.take_quiet_thread(beat.incarnation, age);
        }
        self.look_at_limits(beat);
        self.look_at_refork(beat);
    }

    fn take_heartbeat(&mut self, incarnation: Incarnation, age: Duration) {
        let (now, timeout) = (self.now(), self.plan.timeout);
        let Some(worker) = self.workers.get_mut(incarnation).filter(|w| w.is_heard()) else {
            return;
        };
        // Time in which we did not run is included in `age`, but not between the last heartbeat and our own now.
        worker.beat = worker.beat.max(now - age);
        let (who, quiet, uptime) = (worker.who, now.since(worker.beat), worker.uptime(now));
        if timeout.is_none_or(|limit| quiet <= limit) || fault!(self, HungIsLeftAlone) {
            return;
        }
        if matches!(worker.life, WorkerLife::Draining { .. }) {
            // Its other threads have finished; there is nothing to wait for but the hung one.
            self.end_hung(incarnation);
            return;
        }
        let standby = worker.life == WorkerLife::Standby;
        self.report(Report::WorkerHung {
            worker: who,
            age: quiet,
            extent: Extent::Whole,
        });
        self.dump_stacks(incarnation);
        if standby && self.is_rolled_out(who) {
            self.fail_rollout(ReloadFailure::Hung { worker: who });
        }
        if let Some(place) = self.place_of(who) {
            place.pacing.ended(now, uptime);
        }
    }

    /// The worker keeps serving with its other threads until a replacement is ready. Then it drains, and is killed
    /// when only the hung thread is left.
    fn take_quiet_thread(&mut self, incarnation: Incarnation, age: Duration) {
        let (now, timeout) = (self.now(), self.plan.timeout);
        let Some(worker) = self.workers.get_mut(incarnation).filter(|w| w.is_ready()) else {
            return;
        };
        worker.slowest = worker.slowest.max(now - age);
        let (who, quiet) = (worker.who, now.since(worker.slowest));
        if timeout.is_none_or(|limit| quiet <= limit) || fault!(self, HungThreadIsLeftAlone) {
            return;
        }
        if std::mem::replace(&mut worker.threads, ThreadHealth::OneHangs) == ThreadHealth::OneHangs
        {
            // Known already. But a reload that was rolled back may have dropped the retirement.
            self.take_retirement(incarnation, Retirement::Hung);
            return;
        }
        self.report(Report::WorkerHung {
            worker: who,
            age: quiet,
            extent: Extent::Thread,
        });
        self.act(Action::DumpStacks { incarnation });
        self.take_retirement(incarnation, Retirement::Hung);
    }

    pub(super) fn take_stacks(&mut self, incarnation: Incarnation) {
        let Some(worker) = self.workers.get(incarnation) else {
            return;
        };
        match worker.life {
            WorkerLife::Hung { .. } => self.end_hung(incarnation),
            WorkerLife::Booting {
                time: BootTime::Over,
                ..
            } => self.end_late_boot(worker.who),
            _ => {}
        }
    }

    /// It was not ready within `--boot-timeout`, and its stacks were printed, or the time for that is over.
    pub(super) fn end_late_boot(&mut self, who: Who) {
        self.kill(who.incarnation, KillReason::BootTimeout);
        self.boot_failed(who, BootFailure::TimedOut);
    }

    /// Its stacks were printed, or the time for that is over. After a first boot that failed there is no time for a hook.
    pub(super) fn end_hung(&mut self, incarnation: Incarnation) {
        let gives_up = matches!(self.phase, MasterPhase::Stopping { code, .. } if code != 0);
        match self.plan.abort {
            Abort::First if !gives_up => self.abort(incarnation),
            Abort::First | Abort::Never => self.kill(incarnation, KillReason::Hung),
        }
    }

    pub(super) fn take_abort_in_vain(&mut self, incarnation: Incarnation) {
        if let Some(WorkerLife::Aborting { .. }) = self.workers.get(incarnation).map(|w| w.life) {
            self.kill(incarnation, KillReason::Hung);
        }
    }
}
