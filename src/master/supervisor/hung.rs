//! Ready workers that give no sign of life: found by their heartbeats, made to print their stacks, killed, replaced at once.

use std::time::Duration;

use super::mutation::fault;
use super::worker::Life;
use super::{Incarnation, KillReason, ReloadFailure, Report, Supervisor};

impl Supervisor {
    pub(super) fn take_heartbeat(&mut self, incarnation: Incarnation, age: Duration) {
        let (now, timeout) = (self.now(), self.plan.timeout);
        let Some(worker) = self.workers.get_mut(&incarnation).filter(|w| w.is_ready()) else {
            return;
        };
        // Time in which we did not run is in `age`, but not between the last beat we saw and our now.
        worker.beat = worker.beat.max(now - age);
        let (who, quiet, uptime) = (worker.who, now.since(worker.beat), worker.uptime(now));
        if timeout.is_none_or(|limit| quiet <= limit) || fault!(self, HungIsLeftAlone) {
            return;
        }
        let standby = worker.life == Life::Standby;
        self.report(Report::WorkerHung {
            worker: who,
            age: quiet,
        });
        self.dump_stacks(incarnation);
        if standby && self.is_rolled_out(who) {
            self.fail_rollout(ReloadFailure::Hung { worker: who });
        }
        if let Some(place) = self.place_of(who) {
            place.pacing.ended(now, uptime);
        }
    }

    pub(super) fn take_stacks(&mut self, incarnation: Incarnation) {
        if let Some(Life::Hung { .. }) = self.workers.get(&incarnation).map(|w| w.life) {
            self.kill(incarnation, KillReason::Hung);
        }
    }
}
