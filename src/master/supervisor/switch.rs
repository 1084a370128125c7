//! The moment of a rollout from which there is no way back: the old workers drain, then the new ones go. It boots nobody.

use std::time::Duration;

use super::mutation::fault;
use super::rollout::{Batch, Step};
use super::slot::Place;
use super::worker::Life;
use super::{Generation, Moment, ReloadFailure, Slot, Supervisor};

/// How long the new workers wait for the old ones' `StoppedAccepting`.
const ACKNOWLEDGE: Duration = Duration::from_secs(1);

impl Supervisor {
    /// The new workers of the batch are ready: drain the old ones.
    pub(super) fn switch(&mut self, end: u32) {
        let until = self.now() + ACKNOWLEDGE;
        let Some(rollout) = self.reload.rollout_mut() else {
            return;
        };
        rollout.batch = Batch::Switching {
            end,
            until,
            doomed: None,
        };
        let (generation, done) = (rollout.generation, rollout.done);
        let last = end >= rollout.target;
        // In one batch: everybody, also where the new generation has no slot. In several: what is surplus in the end goes
        // when it can be spared.
        let whole = last && done == 0;
        self.dismiss_old(generation, |slot| whole || (done..end).contains(&slot.0));
        for slot in (done..end).map(Slot) {
            let waiting = self.places.remove(&slot).map(|place| place.waiting);
            let mut place = Place::new(generation);
            place.waiting = waiting.unwrap_or_default();
            self.vacant.insert(slot);
            self.places.insert(slot, place);
        }
        if last {
            self.commit();
        } else {
            self.target = self.target.max(end);
        }
    }

    fn dismiss_old(&mut self, generation: Generation, slots: impl Fn(Slot) -> bool) {
        for old in self.incarnations(|w| w.who.generation != generation && slots(w.who.slot)) {
            if !fault!(self, SwitchWithoutDrain) {
                self.dismiss(old);
            }
        }
    }

    /// The last batch was switched. Slots added after that are no part of the rollout.
    pub(super) fn is_committed(&self) -> bool {
        self.reload.generation() == Some(self.generation)
    }

    /// The new generation is the one that serves: its plan holds from here on. Doing it again changes nothing.
    pub(super) fn commit(&mut self) {
        if let Some(rollout) = self.reload.rollout() {
            self.generation = rollout.generation;
            self.target = rollout.target;
            self.plan = rollout.plan.clone();
        }
    }

    /// Lets the batch go once no old worker accepts any more, so that new connections meet one version.
    pub(super) fn finish_switch(
        &mut self,
        end: u32,
        until: Moment,
        doomed: Option<ReloadFailure>,
    ) -> Step {
        let Some(rollout) = self.reload.rollout() else {
            return Step::Wait;
        };
        let (generation, done) = (rollout.generation, rollout.done);
        let committed = self.is_committed();
        let whole = committed && done == 0;
        let in_batch = |slot: Slot| whole || (done..end).contains(&slot.0);
        let accepting = self
            .workers
            .values()
            .any(|w| w.accepting && w.who.generation != generation && in_batch(w.who.slot));
        let patient = self.now() < until || fault!(self, WaitForeverForAcknowledgements);
        if accepting && patient && !fault!(self, GoBeforeOldStoppedAccepting) {
            return Step::Wait;
        }
        for new in self.incarnations(|w| w.life == Life::Standby && w.who.generation == generation)
        {
            self.go(new);
        }
        let Some(rollout) = self.reload.rollout_mut() else {
            return Step::Wait;
        };
        rollout.done = end;
        rollout.batch = Batch::Booting;
        if !committed {
            self.ask_room();
        }
        if let Some(why) = doomed.filter(|_| !committed) {
            self.fail_rollout(why);
        }
        Step::Again
    }
}
