//! The state of a reload, from the request to the end of its rollout; the steps are in `reload.rs` and `rollout.rs`.

use serde::{Deserialize, Serialize};

use super::{
    Bounds, Generation, KeptProcesses, Moment, Plan, ReloadFailure, Slot, Token, Trial, Who,
};

/// As a number of slots: all that there are, also those that are added on the way.
pub(super) const ALL_SLOTS: u32 = u32::MAX;

/// A requested rollout that has not begun, and the clients that wait for it.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct QueuedRollout {
    pub(super) goal: Goal,
    pub(super) tokens: Vec<Token>,
}

/// The previous generation, kept for a rollback.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Previous {
    pub(super) generation: Generation,
    pub(super) plan: Plan,
    #[serde(default)]
    pub(super) kept: KeptProcesses,
    pub(super) until: Moment,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Reload {
    Idle,
    /// The shell reads the configuration.
    Reading {
        generation: Generation,
        goal: Goal,
        tokens: Vec<Token>,
        until: Moment,
    },
    Rolling(Box<Rollout>),
}

impl Reload {
    /// The generation that it will start.
    pub(super) fn generation(&self) -> Option<Generation> {
        match self {
            Self::Idle => None,
            Self::Reading { generation, .. } => Some(*generation),
            Self::Rolling(rollout) => Some(rollout.generation),
        }
    }

    pub(super) fn goal(&self) -> Option<Goal> {
        match self {
            Self::Idle => None,
            Self::Reading { goal, .. } => Some(*goal),
            Self::Rolling(rollout) => Some(rollout.goal),
        }
    }

    pub(super) fn rollout(&self) -> Option<&Rollout> {
        match self {
            Self::Rolling(rollout) => Some(rollout),
            Self::Idle | Self::Reading { .. } => None,
        }
    }

    /// When what is under way has to end; the room of a batch has a time of its own.
    pub(super) fn deadline(&self) -> Option<Moment> {
        match self {
            Self::Idle => None,
            Self::Reading { until, .. } => Some(*until),
            Self::Rolling(rollout) => match rollout.batch {
                Batch::Booting => None,
                Batch::Held { until } => until,
                Batch::Switching { until, .. } => Some(until),
            },
        }
    }

    /// A generation returns of which only the mold was kept.
    pub(super) fn returns_by_mold(&self) -> bool {
        matches!(
            self.goal(),
            Some(Goal::Return {
                missing: Missing::Needed,
                ..
            })
        )
    }

    /// Paused workers of that generation are about to serve again.
    pub(super) fn brings_back(&self, generation: Generation) -> bool {
        self.rollout().is_some_and(|rollout| {
            rollout.is_switching()
                && rollout.generation == generation
                && matches!(rollout.goal, Goal::Return { .. })
        })
    }

    /// A generation is ready beside the one that serves, and waits for an operator.
    pub(super) fn is_held(&self) -> bool {
        self.rollout()
            .is_some_and(|rollout| matches!(rollout.batch, Batch::Held { .. }))
    }

    pub(super) fn rollout_mut(&mut self) -> Option<&mut Rollout> {
        match self {
            Self::Rolling(rollout) => Some(rollout),
            Self::Idle | Self::Reading { .. } => None,
        }
    }
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Rollout {
    pub(super) generation: Generation,
    pub(super) goal: Goal,
    pub(super) plan: Plan,
    pub(super) tokens: Vec<Token>,
    /// Slots that are replaced at a time; `None`: all at once.
    pub(super) surge: Option<u32>,
    /// Number of slots of the new generation.
    pub(super) target: u32,
    /// Between which the load decides, once it serves.
    pub(super) bounds: Option<Bounds>,
    /// Slots below this one run the new generation.
    pub(super) done: u32,
    pub(super) batch: Batch,
    /// For the batch that boots.
    pub(super) room: Room,
    /// How many slots at a time the memory allows; it was reported.
    pub(super) at_once: Option<u32>,
    pub(super) replaced: Replaced,
    pub(super) committed: bool,
}

/// What happens to workers whose slots the new generation takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Replaced {
    Drained,
    /// The new generation may be taken back.
    Paused,
}

/// The intended result of a rollout.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Goal {
    /// The new generation serves.
    Serve,
    /// It is ready beside the old one, and an operator decides.
    Stage,
    /// Some of its slots serve, and an operator or the comparison decides.
    Canary(Trial),
    /// A generation whose workers are paused takes slots back from another one.
    Return {
        from: Generation,
        /// The first ones, those that were taken from it, or `ALL_SLOTS`.
        slots: u32,
        why: ReloadFailure,
        missing: Missing,
    },
}

/// What happens about workers of a returning generation that have no process: they exited while they were paused, or
/// only their mold was kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Missing {
    /// As `Booted`, but nothing was kept that could serve: if the first of them fail, the generation does not return.
    Needed,
    /// Replacements boot first: capacity does not fall.
    Booted,
    /// The replacements do not boot either: their slots are filled afterwards.
    Left,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Batch {
    /// New workers boot, and wait for each other. The rollout can still be undone.
    Booting,
    /// All were ready: as `Booting`, but an operator decides.
    Held { until: Option<Moment> },
    /// The old workers of the slots below `end` were ordered to drain. The rollout can no longer be undone.
    Switching {
        end: u32,
        until: Moment,
        doomed: Option<ReloadFailure>,
    },
}

impl Goal {
    /// Each slot is to run the coming generation, none is left to another one.
    pub(super) fn is_for_all_slots(self) -> bool {
        match self {
            Self::Serve => true,
            Self::Return { slots, .. } => slots == ALL_SLOTS,
            Self::Stage | Self::Canary(_) => false,
        }
    }
}

impl Rollout {
    pub(super) fn is_switching(&self) -> bool {
        matches!(self.batch, Batch::Switching { .. })
    }

    /// Number of slots of a canary.
    pub(super) fn slots_of(&self, trial: Trial) -> u32 {
        trial.portion.of(self.target)
    }

    /// Whether a worker that becomes ready in that slot waits for the others.
    pub(super) fn awaits(&self, slot: Slot) -> bool {
        let end = match self.goal {
            Goal::Return { slots, .. } => slots,
            Goal::Serve | Goal::Stage | Goal::Canary(_) => ALL_SLOTS,
        };
        (self.done..end).contains(&slot.0)
    }

    /// Whether a worker in that slot, of another generation than the coming one, goes when the slots below `end` change
    /// hands. In one batch all of them go, also in slots that the new generation does not have; in several, surplus
    /// workers leave when they can be spared. A generation that returns leaves the slots alone that were never taken
    /// from it: after a rollout that stopped half way they may belong to a third one.
    pub(super) fn replaces(&self, who: Who, end: u32) -> bool {
        let in_batch = (self.done..end).contains(&who.slot.0);
        match self.goal {
            Goal::Serve | Goal::Stage => {
                let is_last = self.committed || end >= self.target;
                in_batch || (self.done == 0 && is_last)
            }
            Goal::Canary(_) => in_batch,
            Goal::Return { from, slots, .. } => {
                let is_last = self.committed || end >= slots.min(self.target);
                in_batch || (who.generation == from && is_last)
            }
        }
    }

    /// Slots below this one belong to the new generation, even if its workers were not ordered to go yet.
    pub(super) fn switched(&self) -> u32 {
        match self.batch {
            Batch::Booting | Batch::Held { .. } => self.done,
            Batch::Switching { end, .. } => end,
        }
    }
}

/// How many workers of the next batch may boot beside the living ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Room {
    /// The memory is being measured.
    Asked,
    /// Not one fits while replaced workers have not exited: it is measured again then.
    NotYet { again: Moment },
    /// So many slots, or all if there is no limit.
    For { slots: u32 },
}
