//! Brings what is to what is wanted: surplus workers leave, empty places are filled, the server comes up. Level-triggered.

use std::cmp::Reverse;
use std::collections::BTreeSet;

use super::mutation::fault;
use super::rollout::Rollout;
use super::slot::{Awaits, Proven};
use super::worker::{Life, Worker};
use super::{Action, AllFailing, Phase, Report, ServiceState, Slot, Supervisor};

impl Supervisor {
    pub(super) fn reconcile(&mut self) {
        if !self.keeps_up() {
            return;
        }
        if matches!(self.phase, Phase::Preparing(_)) {
            self.start_preparation();
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

    /// Whoever stands in a slot that is no longer wanted, the highest first. One that serves stays while the wanted slots
    /// cannot do without it (they fail, or boot): scaling down from three to two must not take the only one that works.
    fn dismiss_surplus(&mut self) {
        let (target, coming) = (self.target, self.reload.rollout());
        let coming = coming.map(|rollout| (rollout.generation, rollout.target));
        let mut surplus = self.incarnations(|w| {
            let wanted = match coming {
                Some((generation, target)) if w.who.generation == generation => target,
                _ => target,
            };
            w.who.slot >= Slot(wanted) && w.stays()
        });
        surplus.sort_by_key(|n| Reverse(self.workers.get(n).map(|w| w.who.slot)));
        for incarnation in surplus {
            let serves = self
                .workers
                .get(&incarnation)
                .is_some_and(|w| self.serves(w));
            let needed = serves && self.serving_slots() <= target as usize;
            if !needed && !fault!(self, ScaleDownKeepsWorker) {
                self.dismiss(incarnation);
            }
        }
        self.remove_places();
    }

    /// It serves, or is about to: the old workers of its slots were told to drain.
    fn serves(&self, worker: &Worker) -> bool {
        match worker.life {
            Life::Serving => true,
            Life::Standby => self.reload.rollout().is_some_and(Rollout::is_switching),
            Life::Booting { .. }
            | Life::Hung { .. }
            | Life::Failed { .. }
            | Life::Terminated { .. }
            | Life::Draining { .. }
            | Life::Stopping { .. }
            | Life::Killed => false,
        }
    }

    fn serving_slots(&self) -> usize {
        let serving = self.workers.values().filter(|w| self.serves(w));
        serving.map(|w| w.who.slot).collect::<BTreeSet<_>>().len()
    }

    fn fill_places(&mut self) {
        self.add_places();
        let now = self.now();
        let empty: Vec<_> = self
            .places
            .iter()
            .filter(|(slot, place)| self.occupant(**slot, place.generation).is_none())
            .filter(|(_, place)| place.pacing.not_before <= now && place.awaits == Awaits::Nothing)
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
            .all(|place| place.proven == Proven::Once && place.awaits == Awaits::Nothing);
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
            && self.target > 0
            && !self.workers.values().any(Worker::is_ready)
            && self.places.values().all(|place| place.pacing.failures > 0);
        match (failing, self.all_failing) {
            (true, AllFailing::No) => {
                self.all_failing = AllFailing::Said;
                self.report(Report::AllFailing);
                if fault!(self, ExitWhenAllFail) {
                    self.stop(super::StopMode::Fast);
                }
            }
            (false, AllFailing::Said) if self.workers.values().any(Worker::is_ready) => {
                self.all_failing = AllFailing::No;
            }
            _ => {}
        }
    }
}
