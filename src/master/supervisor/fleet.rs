//! The living workers, indexed by incarnation and by slot: an event of one slot costs the same however many there
//! are.

#[cfg(test)]
use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::worker::Worker;
use super::{Incarnation, Slot};

#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Fleet {
    all: BTreeMap<Incarnation, Worker>,
    by_slot: BTreeSet<(Slot, Incarnation)>,
    /// Number of workers visited: the tests check a bound.
    #[cfg(test)]
    #[serde(default)]
    looks: Cell<u64>,
}

impl Fleet {
    pub(super) fn insert(&mut self, worker: Worker) {
        let who = worker.who;
        self.by_slot.insert((who.slot, who.incarnation));
        self.all.insert(who.incarnation, worker);
    }

    pub(super) fn remove(&mut self, incarnation: Incarnation) -> Option<Worker> {
        let worker = self.all.remove(&incarnation)?;
        self.by_slot.remove(&(worker.who.slot, incarnation));
        Some(worker)
    }

    pub(super) fn get(&self, incarnation: Incarnation) -> Option<&Worker> {
        self.look();
        self.all.get(&incarnation)
    }

    /// The slot and the incarnation of a worker never change.
    pub(super) fn get_mut(&mut self, incarnation: Incarnation) -> Option<&mut Worker> {
        self.look();
        self.all.get_mut(&incarnation)
    }

    /// In the order of their spawns.
    pub(super) fn values(&self) -> impl Iterator<Item = &Worker> {
        self.all.values().inspect(|_| self.look())
    }

    /// Those of one slot, in the order of their spawns.
    pub(super) fn in_slot(&self, slot: Slot) -> impl Iterator<Item = &Worker> {
        let range = (slot, Incarnation(0))..=(slot, Incarnation(u64::MAX));
        self.look();
        self.by_slot
            .range(range)
            .filter_map(|(_, incarnation)| self.get(*incarnation))
    }

    #[cfg(not(test))]
    #[allow(clippy::unused_self, reason = "only tests count")]
    fn look(&self) {}

    #[cfg(test)]
    fn look(&self) {
        self.looks.set(self.looks.get() + 1);
    }

    #[cfg(test)]
    pub(super) fn looks(&self) -> u64 {
        self.looks.get()
    }
}
