//! The wanted state of a slot: which generation belongs there, how its failures are paced, which clients wait for it.

use serde::{Deserialize, Serialize};

use super::pacing::Pacing;
use super::worker::Worker;
use super::{Answer, BootFailure, Generation, Retirement, Slot, Supervisor, Token};

/// The wanted state of one slot, whichever worker fills it.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct SlotState {
    pub(super) generation: Generation,
    pub(super) pacing: Pacing,
    /// A worker was ready here; the first boot is complete when that is true of all.
    pub(super) proven: Proven,
    pub(super) awaits: BootCondition,
    /// Clients that asked for this slot's worker to be restarted.
    pub(super) waiting: Vec<Token>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Proven {
    Once,
    Never,
}

/// What must happen before a worker boots here, besides the pause.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum BootCondition {
    Nothing,
    Change,
}

impl SlotState {
    pub(super) fn new(generation: Generation) -> Self {
        Self {
            generation,
            pacing: Pacing::default(),
            proven: Proven::Never,
            awaits: BootCondition::Nothing,
            waiting: Vec::new(),
        }
    }
}

impl Supervisor {
    /// Adds places for wanted slots that have none yet. During a rollout, only for slots that have a worker already:
    /// the first worker of an added slot is then of the generation that remains.
    pub(super) fn add_places(&mut self) {
        if self.places.len() == self.target as usize {
            return;
        }
        let rolling = self.reload.rollout().is_some() && !self.reload.is_held();
        // Slots below it belong to a canary.
        let canary = self.reload.rollout().map(|it| (it.generation, it.done));
        for slot in (0..self.target).map(Slot) {
            if self.places.contains_key(&slot) {
                continue;
            }
            let generation = match canary {
                Some((generation, done)) if slot.0 < done => generation,
                Some(_) | None => self.generation,
            };
            // A worker that was to leave and could not be spared may still serve here.
            let occupant = self.occupant(slot, generation).map(Worker::is_ready);
            if occupant.is_some() || !rolling {
                let mut place = SlotState::new(generation);
                if occupant == Some(true) {
                    place.proven = Proven::Once;
                }
                self.vacant.insert(slot);
                self.places.insert(slot, place);
            }
        }
    }

    /// Removes the places of slots that are no longer wanted.
    pub(super) fn remove_places(&mut self) {
        let last = self.places.last_key_value().map(|(slot, _)| slot.0);
        if last.is_none_or(|last| last < self.target) {
            return;
        }
        for (slot, place) in self.places.split_off(&Slot(self.target)) {
            for token in place.waiting {
                self.reply(token, Answer::NoSuchSlot { slot });
            }
        }
    }

    pub(super) fn answer_restarted(&mut self, slot: Slot) {
        if let Some(place) = self.places.get_mut(&slot) {
            for token in std::mem::take(&mut place.waiting) {
                self.reply(token, Answer::WorkerReplaced { slot });
            }
        }
    }

    /// Answers the clients that wait for a restart, and gives the restart itself up: its end would not be reported.
    pub(super) fn answer_not_restarted(&mut self, slot: Slot, why: BootFailure) {
        let Some(place) = self.places.get_mut(&slot) else {
            return;
        };
        for token in std::mem::take(&mut place.waiting) {
            self.reply(token, Answer::RestartFailed { slot, why });
        }
        let workers = &self.workers;
        self.retirees.retain(|retiree| {
            let worker = workers.get(retiree.incarnation);
            let in_vain = worker.is_some_and(|w| w.who.slot == slot && w.stays());
            retiree.why != Retirement::Requested || !in_vain
        });
    }
}
