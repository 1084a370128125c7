//! The numbers of one worker, read off its page.

use crate::ipc::Page;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PageRow {
    pub slot: u64,
    pub generation: u64,
    pub pid: u64,
    pub state: &'static str,
    pub silent_ms: u64,
    pub requests: u64,
    pub in_flight: u64,
    pub connections: u64,
}

impl PageRow {
    pub fn of(page: Page, state: &'static str, now: u64) -> Self {
        let counters = page.counters();
        Self {
            slot: page.slot(),
            generation: page.generation(),
            pid: page.pid(),
            state,
            silent_ms: now.saturating_sub(page.heartbeat()),
            requests: counters.requests,
            in_flight: counters.in_flight(),
            connections: page.connections(),
        }
    }
}
