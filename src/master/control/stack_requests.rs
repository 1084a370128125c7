//! Clients that wait for the stacks of workers.

use super::protocol::WorkerStacks;
use crate::master::stack_dump::StackDump;
use crate::master::supervisor::{Incarnation, Token};

/// The request, and the workers that have not replied.
#[derive(Debug, Default)]
pub struct StackRequests(pub(super) Vec<StackRequest>);

#[derive(Debug)]
pub(super) struct StackRequest {
    pub(super) token: Token,
    pub(super) open: Vec<(Incarnation, WorkerStacks, StackMethod)>,
    pub(super) answered: Vec<WorkerStacks>,
}

#[derive(Debug, Clone, Copy)]
pub(super) enum StackMethod {
    /// Since that monotonic millisecond.
    Inside {
        at: u64,
    },
    Signal(StackDump),
}

impl StackRequests {
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
