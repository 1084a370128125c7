//! `--reload`: files of the app have changed. Boots that waited for this start, serving workers are reloaded.

use super::reload_state::{Goal, Rollout};
use super::slot::BootCondition;
use super::worker::Worker;
use super::{MasterPhase, ReloadFailure, SourceWatching, Supervisor};

impl Supervisor {
    pub(super) fn take_change(&mut self) {
        if self.plan.sources == SourceWatching::Fixed {
            return;
        }
        match self.phase {
            MasterPhase::FirstBoot => self.boot_anew(),
            MasterPhase::Running => {
                // Booting workers have read the old files, or a mixture; they may even hang because of them.
                let is_for_a_stage =
                    matches!(self.reload.goal(), Some(Goal::Stage | Goal::Canary(_)));
                let booting = |rollout: &Rollout| {
                    !rollout.is_switching() && !matches!(rollout.goal, Goal::Return { .. })
                };
                match self.reload.rollout() {
                    Some(rollout) if is_for_a_stage || booting(rollout) => {
                        self.fail_rollout(ReloadFailure::Overtaken);
                    }
                    None if is_for_a_stage => self.end_reload_badly(ReloadFailure::Overtaken),
                    Some(_) | None => {}
                }
                self.ask_reload(None);
            }
            MasterPhase::Preparing(_)
            | MasterPhase::Delayed { .. }
            | MasterPhase::Stopping { .. }
            | MasterPhase::Closing { .. }
            | MasterPhase::Gone => {}
        }
    }

    /// During the first boot: boots all workers again that are not ready.
    fn boot_anew(&mut self) {
        for (slot, place) in &mut self.places {
            place.awaits = BootCondition::Nothing;
            self.vacant.insert(*slot);
        }
        self.boot_molds_anew();
        for booting in self.incarnations(Worker::is_booting) {
            self.dismiss(booting);
        }
        if self.workers.values().any(Worker::is_ready) {
            self.ask_reload(None);
        }
    }

    /// A boot has failed, and the next one would too: waits until the files change.
    pub(super) fn await_change(&mut self, who: super::Who) {
        if let Some(place) = self.place_of(who) {
            place.awaits = BootCondition::Change;
        }
    }
}
