//! Answers the clients that wait for the server, once it is ready or idle.

use super::protocol::ControlResponse;
use super::waiting_clients::WaitGoal;
use crate::master::shell::Shell;
use crate::master::supervisor::{ServerState, WorkerStage};

impl Shell<'_> {
    /// Answers those whose goal is reached, or cannot be reached any more.
    pub(in crate::master) fn settle_waits(&mut self) {
        let waiting = std::mem::take(&mut self.handlers.waits.0);
        for (token, goal) in waiting {
            let response = match (self.supervisor.service(), goal) {
                (ServerState::Stopping, _) => ControlResponse::failed("the server is stopping"),
                (ServerState::Serving, WaitGoal::Ready) if self.is_complete() => {
                    ControlResponse::done("the server is ready")
                }
                (ServerState::Serving, WaitGoal::Idle) if self.is_complete() && self.is_idle() => {
                    ControlResponse::done("the server is idle")
                }
                _ => {
                    if self.handlers.control.still_asks(token) {
                        self.handlers.waits.0.push((token, goal));
                    }
                    continue;
                }
            };
            self.handlers.control.answer(token, &response);
        }
    }

    fn is_complete(&self) -> bool {
        let serving = |view: &_| matches!(view, WorkerStage::Serving);
        let views = self.supervisor.workers().map(|view| view.stage);
        views.filter(serving).count() >= self.supervisor.target() as usize
    }

    fn is_idle(&self) -> bool {
        let at_rest = |stage| {
            matches!(
                stage,
                WorkerStage::Serving | WorkerStage::Standby | WorkerStage::Paused
            )
        };
        self.supervisor.workers().all(|view| at_rest(view.stage))
            && self
                .fleet
                .workers
                .iter()
                .all(|(_, worker)| worker.page.counters().in_flight() == 0)
    }
}
