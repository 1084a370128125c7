//! The wanted state of a slot: which generation belongs there, how its failures are paced, which clients wait for it.

use serde::{Deserialize, Serialize};

use super::pacing::Pacing;
use super::{Generation, Token};

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
