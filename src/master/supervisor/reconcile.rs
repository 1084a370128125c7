//! Brings what is to what is wanted: surplus workers leave, empty places are filled, the server comes up. Level-triggered.

use super::mutation::fault;
use super::reload::Reload;
use super::slot::Proven;
use super::{Action, AllFailing, Phase, Report, ServiceState, Slot, Supervisor};

impl Supervisor {
    pub(super) fn reconcile(&mut self) {
        if !self.keeps_up() {
            return;
        }
        self.advance_rollout();
        self.begin_queued_reload();
        self.dismiss_surplus();
        self.fill_places();
        self.recycle();
        self.finish_first_boot();
        self.note_when_all_fail();
    }

    /// Whoever stands in a slot that is no longer wanted.
    fn dismiss_surplus(&mut self) {
        let (serving, coming) = (self.target, self.reload.rollout());
        let coming = coming.map(|rollout| (rollout.generation, rollout.target));
        let surplus = self.incarnations(|w| {
            let wanted = match coming {
                Some((generation, target)) if w.who.generation == generation => target,
                _ => serving,
            };
            w.who.slot >= Slot(wanted) && w.stays()
        });
        for incarnation in surplus {
            if !fault!(self, ScaleDownKeepsWorker) {
                self.dismiss(incarnation);
            }
        }
        self.remove_places();
    }

    /// A slot that was added during a rollout waits for its end: its first worker is then of the generation that stays.
    fn fill_places(&mut self) {
        match self.reload {
            Reload::Idle | Reload::Reading { .. } => self.add_places(),
            Reload::Rolling(_) => {}
        }
        let now = self.now();
        let empty: Vec<_> = self
            .places
            .iter()
            .filter(|(slot, place)| self.occupant(**slot, place.generation).is_none())
            .filter(|(_, place)| place.pacing.not_before <= now)
            .map(|(slot, place)| (*slot, place.generation))
            .collect();
        for (slot, generation) in empty {
            self.spawn(slot, generation, self.plan.boot_timeout);
        }
    }

    fn finish_first_boot(&mut self) {
        let up = self
            .places
            .values()
            .all(|place| place.proven == Proven::Once);
        if self.phase == Phase::FirstBoot && up {
            self.phase = Phase::Running;
            self.report(Report::Up {
                workers: self.target,
            });
            self.act(Action::Notify(ServiceState::Ready));
            // A reload or a retirement may have been waiting for this.
            self.begin_queued_reload();
            self.recycle();
        }
    }

    fn note_when_all_fail(&mut self) {
        let failing = self.phase == Phase::Running
            && !self.workers.values().any(super::worker::Worker::is_ready)
            && self.places.values().all(|place| place.pacing.failures > 0);
        match (failing, self.all_failing) {
            (true, AllFailing::No) => {
                self.all_failing = AllFailing::Said;
                self.report(Report::AllFailing);
                if fault!(self, ExitWhenAllFail) {
                    self.stop(super::StopMode::Fast);
                }
            }
            (false, AllFailing::Said) if self.workers.values().any(|w| w.is_ready()) => {
                self.all_failing = AllFailing::No;
            }
            _ => {}
        }
    }
}
