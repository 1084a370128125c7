//! Handles the exit of workers, by worker state.

use super::mutation::fault;
use super::pacing::{is_failure, is_kill};
use super::slot::SlotState;
use super::worker::{Worker, WorkerLife};
use super::{
    BootFailure, Exit, Incarnation, MasterPhase, ReloadFailure, Report, Retry, SourceWatching,
    Supervisor, Who,
};

impl Supervisor {
    pub(super) fn take_exit(&mut self, incarnation: Incarnation, exit: Exit) {
        let Some(worker) = self.workers.remove(incarnation) else {
            return;
        };
        let who = worker.who;
        self.vacant.insert(who.slot);
        self.note_refork_exit(who, exit);
        match worker.life {
            WorkerLife::Booting { .. } => self.boot_failed(who, BootFailure::Exited(exit)),
            WorkerLife::Standby | WorkerLife::Serving => self.died(&worker, exit),
            WorkerLife::Paused => self.lost_paused(&worker, exit),
            WorkerLife::Hung { .. }
            | WorkerLife::Aborting { .. }
            | WorkerLife::Failed { .. }
            | WorkerLife::Terminated { .. }
            | WorkerLife::Draining { .. }
            | WorkerLife::Stopping { .. }
            | WorkerLife::Killed => {
                if fault!(self, ReplaceDrained) && self.keeps_up() {
                    self.spawn(who.slot, who.generation, self.plan.boot_timeout);
                }
                let after = self.now().since(worker.leaving_since);
                self.report(Report::WorkerLeft {
                    worker: who,
                    exit,
                    after,
                });
            }
        }
    }

    pub(super) fn take_spawn_failure(&mut self, incarnation: Incarnation) {
        let Some(worker) = self.workers.remove(incarnation) else {
            return;
        };
        self.vacant.insert(worker.who.slot);
        if worker.is_booting() {
            self.boot_failed(worker.who, BootFailure::NotSpawned);
        }
    }

    pub(super) fn boot_failed(&mut self, who: Who, why: BootFailure) {
        match self.phase {
            MasterPhase::FirstBoot if self.plan.sources == SourceWatching::Watched => {
                self.report(Report::BootFailed {
                    worker: who,
                    why,
                    retry: Retry::AtNextChange,
                });
                self.await_change(who);
                return;
            }
            MasterPhase::FirstBoot if !fault!(self, FirstBootFailureIgnored) => {
                self.fail_first_boot(who, why);
                return;
            }
            MasterPhase::FirstBoot | MasterPhase::Running => {}
            MasterPhase::Preparing(_)
            | MasterPhase::Delayed { .. }
            | MasterPhase::Stopping { .. }
            | MasterPhase::Closing { .. }
            | MasterPhase::Gone => {
                return;
            }
        }
        self.note_unforked_worker(who, why);
        if self.is_rolled_out(who) {
            self.fail_rollout(ReloadFailure::Boot { worker: who, why });
        }
        let now = self.now();
        let ready = self
            .occupant(who.slot, who.generation)
            .and_then(|w| w.ready);
        let killed = matches!(why, BootFailure::Exited(exit) if is_kill(exit))
            && !fault!(self, KilledBootIsPaced);
        let never_paced = fault!(self, KilledBootIsNeverPaced);
        let Some(place) = self.place_of(who) else {
            return;
        };
        let mut retry = if killed {
            place.pacing.killed(now, ready)
        } else {
            place.pacing.failed(now, ready)
        };
        if killed && never_paced {
            place.pacing.not_before = now;
        }
        self.vacant.insert(who.slot);
        if fault!(self, NoPacing)
            && let Some(place) = self.place_of(who)
        {
            place.pacing.not_before = now;
        }
        self.answer_not_restarted(who.slot, why);
        if let Some(still) = self.occupant(who.slot, who.generation)
            && !self
                .retirees
                .iter()
                .any(|r| r.incarnation == still.who.incarnation)
        {
            retry = Retry::None;
        }
        self.report(Report::BootFailed {
            worker: who,
            why,
            retry,
        });
    }

    /// A ready worker ended unasked.
    fn died(&mut self, worker: &Worker, exit: Exit) {
        let (now, who) = (self.now(), worker.who);
        let uptime = worker.uptime(now);
        let failed = is_failure(exit, uptime) || fault!(self, KillSignalIsPaced);
        let unseen = fault!(self, LoseStagedUnseen) && self.reload.is_held();
        if self.is_rolled_out(who) && (worker.life == WorkerLife::Standby || failed) && !unseen {
            self.fail_rollout(ReloadFailure::Died { worker: who, exit });
        }
        let (keeps_up, rolled_out) = (self.keeps_up(), self.is_rolled_out(who));
        let Some(place) = self.place_of(who) else {
            if !rolled_out {
                self.report(Report::WorkerDied {
                    worker: who,
                    exit,
                    uptime,
                    retry: Retry::None,
                });
            }
            return;
        };
        let before = place.pacing.failures;
        let retry = match (keeps_up, failed) {
            (false, _) => Retry::None,
            (true, true) => place.pacing.ended_early(now),
            (true, false) => place.pacing.ended(now, uptime),
        };
        if fault!(self, PacingNeverResets)
            && let Some(place) = self.place_of(who)
        {
            place.pacing.failures = place.pacing.failures.max(before);
        }
        self.report(Report::WorkerDied {
            worker: who,
            exit,
            uptime,
            retry,
        });
    }

    /// It belongs to the generation that is being rolled out.
    pub(super) fn is_rolled_out(&self, who: Who) -> bool {
        self.reload
            .rollout()
            .is_some_and(|rollout| rollout.generation == who.generation)
    }

    /// The place of a worker, unless another generation belongs there (that of a rollout, before the switch).
    pub(super) fn place_of(&mut self, who: Who) -> Option<&mut SlotState> {
        self.places
            .get_mut(&who.slot)
            .filter(|place| place.generation == who.generation)
    }
}
