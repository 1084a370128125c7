//! Reconciles the actual state with the wanted one: surplus workers leave, empty slots are filled, the server comes
//! up. Level-triggered.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use super::mutation::fault;
use super::reload_state::Rollout;
use super::slot::{BootCondition, Proven, SlotState};
use super::worker::{Worker, WorkerLife};
use super::{Action, AllFailing, MasterPhase, Report, ServiceState, Slot, Spawning, Supervisor};

/// Forks in one call: with many slots a first boot takes seconds, and signals are served in between.
pub(super) const SPAWNS_A_CALL: usize = 8;

impl Supervisor {
    pub(super) fn reconcile(&mut self) {
        if !self.keeps_up() {
            return;
        }
        if matches!(self.phase, MasterPhase::Preparing(_)) {
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

    /// Dismisses workers in slots that are no longer wanted, the highest first. One that serves stays while the
    /// wanted slots cannot replace it (they fail, or boot): scaling down from three to two must not remove the only
    /// one that works.
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
        surplus.sort_by_key(|n| Reverse(self.workers.get(*n).map(|w| w.who.slot)));
        let mut serving = if surplus.is_empty() {
            BTreeMap::new()
        } else {
            self.serving_slots()
        };
        for incarnation in surplus {
            let slot = self
                .workers
                .get(incarnation)
                .filter(|w| self.serves(w))
                .map(|w| w.who.slot);
            let needed = slot.is_some() && serving.len() <= target as usize;
            if needed || fault!(self, ScaleDownKeepsWorker) {
                continue;
            }
            self.dismiss(incarnation);
            if let Some(Entry::Occupied(mut left)) = slot.map(|slot| serving.entry(slot)) {
                *left.get_mut() -= 1;
                if *left.get() == 0 {
                    left.remove();
                }
            }
        }
        self.remove_places();
    }

    /// It serves, or is about to: the old workers of its slots were ordered to drain.
    fn serves(&self, worker: &Worker) -> bool {
        match worker.life {
            WorkerLife::Serving => true,
            WorkerLife::Standby => self.reload.rollout().is_some_and(Rollout::is_switching),
            WorkerLife::Paused => self.is_returning(worker),
            WorkerLife::Booting { .. }
            | WorkerLife::Hung { .. }
            | WorkerLife::Aborting { .. }
            | WorkerLife::Failed { .. }
            | WorkerLife::Terminated { .. }
            | WorkerLife::Draining { .. }
            | WorkerLife::Stopping { .. }
            | WorkerLife::Killed => false,
        }
    }

    /// How many workers serve in each slot that has any.
    fn serving_slots(&self) -> BTreeMap<Slot, usize> {
        let mut slots = BTreeMap::new();
        for worker in self.workers.values().filter(|w| self.serves(w)) {
            *slots.entry(worker.who.slot).or_default() += 1;
        }
        slots
    }

    fn fill_places(&mut self) {
        self.add_places();
        let now = self.now();
        let mut spawned = 0;
        self.spawning = Spawning::Done;
        if !self.vacant.is_empty() && self.takes_back() {
            return;
        }
        for slot in std::mem::take(&mut self.vacant) {
            let Some(place) = self.places.get(&slot) else {
                continue;
            };
            let paced = place.pacing.not_before > now || place.awaits != BootCondition::Nothing;
            if paced || !self.can_fork(place.generation) {
                self.vacant.insert(slot);
            } else if self.occupant(slot, place.generation).is_some() {
                // It will be checked again when that worker exits.
            } else if spawned == SPAWNS_A_CALL {
                self.spawning = Spawning::MoreToDo;
                self.vacant.insert(slot);
            } else {
                spawned += 1;
                self.spawn(slot, place.generation, self.plan.boot_timeout);
            }
        }
    }

    fn finish_first_boot(&mut self) {
        let complete = |place: &SlotState| {
            place.proven == Proven::Once && place.awaits == BootCondition::Nothing
        };
        if self.phase == MasterPhase::FirstBoot && self.places.values().all(complete) {
            self.phase = MasterPhase::Running;
            self.report(Report::Up {
                workers: self.target,
            });
            self.act(Action::Notify(ServiceState::Ready));
            // A mold, a reload or a retirement may have been waiting for this.
            self.start_molds();
            self.begin_queued_reload();
            self.recycle();
        }
    }

    fn note_when_all_fail(&mut self) {
        let failing = self.phase == MasterPhase::Running
            && self.target > 0
            && !self.workers.values().any(Worker::is_ready)
            && self.places.values().all(|place| place.pacing.failures > 0);
        match (failing, self.all_failing) {
            (true, AllFailing::No) => {
                self.all_failing = AllFailing::Reported;
                self.report(Report::AllFailing);
                if fault!(self, ExitWhenAllFail) {
                    self.stop(super::StopMode::Fast);
                }
            }
            (false, AllFailing::Reported) if self.workers.values().any(Worker::is_ready) => {
                self.all_failing = AllFailing::No;
            }
            _ => {}
        }
    }
}
