//! What is known of a hung worker until its record is written.

use std::time::Duration;

use crate::ipc::{InFlight, Phase};
use crate::master::stack_dump::StackDump;
use crate::master::supervisor::Extent;
use crate::sys::clock;

/// A hung worker that is to be reported, as it was found.
#[derive(Debug)]
pub struct Hang {
    pub(super) generation: u32,
    pub(super) silent: Duration,
    pub(super) extent: Extent,
    pub(super) requests: Vec<InFlight>,
    /// Monotonic.
    pub(super) found_ms: u64,
    pub(super) asked: StackRequestState,
}

#[derive(Debug, Clone, Copy)]
pub enum StackRequestState {
    NotYet,
    /// Not sent: its default action would kill a worker that does not handle the signal.
    InVain,
    Signal(StackDump),
}

/// How far a boot has come, for the record of one that takes too long.
#[derive(Debug)]
pub struct BootProgress {
    pub phase: Phase,
    /// Set while its stacks are being written.
    pub(super) asked: Option<StackRequestState>,
}

impl Default for BootProgress {
    fn default() -> Self {
        Self {
            phase: Phase::Boot,
            asked: None,
        }
    }
}

impl Hang {
    pub fn new(requests: Vec<InFlight>, generation: u32, silent: Duration, extent: Extent) -> Self {
        Self {
            generation,
            silent,
            extent,
            requests,
            found_ms: clock::monotonic_ms(),
            asked: StackRequestState::NotYet,
        }
    }
}
