//! The supervisor: a pure state machine that decides which workers live. It knows no pid, no clock, no syscall, no log line.

mod action;
mod event;
mod names;
mod plan;
mod report;

pub use action::{Action, Answer, DrainReason, KillReason, Order, ServiceState};
pub use event::{
    BootPhase, Command, ConfigResult, CoreDump, Event, Exit, Retirement, Signal, StopMode,
    WorkerMessage,
};
pub use names::{Generation, Incarnation, Moment, Slot, Token};
pub use plan::Plan;
pub use report::{BootFailure, ReloadFailure, Report, Retry, Who};

/// Feed it events, do the actions it returns in their order, wake it at `next_timeout()`.
#[derive(Debug)]
pub struct Supervisor {
    plan: Plan,
}

impl Supervisor {
    #[must_use]
    pub fn new(plan: Plan) -> Self {
        Self { plan }
    }

    /// Called once, before any event: spawns generation 1.
    pub fn start(&mut self, now: Moment) -> Vec<Action> {
        let _ = (now, self.plan.wanted(), self.plan.boots_at_once());
        Vec::new()
    }

    pub fn handle(&mut self, now: Moment, event: Event) -> Vec<Action> {
        let _ = (now, event);
        Vec::new()
    }

    /// When `Event::Timeout` is due at the latest.
    #[must_use]
    pub fn next_timeout(&self) -> Option<Moment> {
        None
    }
}
