//! Counters of worker restarts and reloads, by cause, from the supervisor's reports.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::supervisor::{Exit, Extent, ReloadFailure, Report, Retirement, Slot};

/// Why a worker was replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// Exited by itself.
    Exit,
    /// Ended by a signal that was not ours.
    Signal,
    Hung,
    Boot,
    Requests,
    Memory,
    Lifetime,
    Requested,
    OutOfMemory,
}

impl Cause {
    pub const ALL: [Self; 9] = [
        Self::Exit,
        Self::Signal,
        Self::Hung,
        Self::Boot,
        Self::Requests,
        Self::Memory,
        Self::Lifetime,
        Self::Requested,
        Self::OutOfMemory,
    ];
}

#[derive(Debug, Default, Clone, Serialize, Deserialize)]
pub struct RestartCounters {
    causes: [u64; Cause::ALL.len()],
    slots: BTreeMap<Slot, u64>,
    /// Of the monitor, which has no slot.
    #[serde(default)]
    pub monitor: u64,
    pub reloads: u64,
    pub reloads_failed: u64,
}

impl RestartCounters {
    pub fn note(&mut self, report: &Report) {
        match report {
            Report::WorkerDied { worker, exit, .. } => self.count(
                worker.slot,
                match exit {
                    Exit::Code(_) => Cause::Exit,
                    Exit::Signal { .. } => Cause::Signal,
                    Exit::OutOfMemory => Cause::OutOfMemory,
                },
            ),
            Report::WorkerHung {
                worker,
                extent: Extent::Whole,
                ..
            } => self.count(worker.slot, Cause::Hung),
            Report::WorkerLeaves { worker } => self.count(worker.slot, Cause::Signal),
            Report::BootFailed { worker, .. } => self.count(worker.slot, Cause::Boot),
            Report::Retiring { worker, why, .. } => {
                let cause = match why {
                    Retirement::Requests => Cause::Requests,
                    Retirement::Memory => Cause::Memory,
                    Retirement::Lifetime => Cause::Lifetime,
                    Retirement::Requested => Cause::Requested,
                    Retirement::Hung => Cause::Hung,
                    // As a reload: it brings a new worker to every slot.
                    Retirement::BecomesMold | Retirement::OlderMold => return,
                };
                self.count(worker.slot, cause);
            }
            Report::Reloaded { .. } => self.reloads += 1,
            // An operator has gone back: that has not failed.
            Report::TakenBack {
                why: ReloadFailure::Discarded,
                ..
            } => {}
            Report::ReloadFailed { .. }
            | Report::TakenBack { .. }
            | Report::NotTakenBack { .. } => self.reloads_failed += 1,
            _ => {}
        }
    }

    fn count(&mut self, slot: Slot, cause: Cause) {
        if let Some(count) = self.causes.get_mut(cause as usize) {
            *count += 1;
        }
        *self.slots.entry(slot).or_default() += 1;
    }

    /// Reloads, which bring a new worker to every slot, do not count.
    pub fn restarts_of(&self, slot: Slot) -> u64 {
        self.slots.get(&slot).copied().unwrap_or(0)
    }

    pub fn by_cause(&self, cause: Cause) -> u64 {
        self.causes.get(cause as usize).copied().unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::master::supervisor::Generation;

    #[test]
    fn a_generation_that_an_operator_takes_back_has_not_failed() {
        let mut counters = RestartCounters::default();
        let taken_back = |why| Report::TakenBack {
            generation: Generation(2),
            to: Generation(1),
            why,
        };
        counters.note(&taken_back(ReloadFailure::Discarded));
        assert_eq!(counters.reloads_failed, 0);
        counters.note(&taken_back(ReloadFailure::Overtaken));
        assert_eq!(counters.reloads_failed, 1);
    }
}
