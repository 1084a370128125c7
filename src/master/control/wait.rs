//! Answers the clients that wait for the server, once it is ready or idle.

use super::protocol::ControlResponse;
use super::waiting_clients::WaitGoal;
use crate::master::control::ControlClients;
use crate::master::supervisor::{ServerState, Supervisor, WorkerStage};
use crate::master::workers::Workers;

/// Answers those whose goal is reached, or cannot be reached any more.
pub fn settle(clients: &mut ControlClients, workers: &Workers, supervisor: &Supervisor) {
    let waiting = std::mem::take(&mut clients.waits.0);
    for (token, goal) in waiting {
        let response = match (supervisor.service(), goal) {
            (ServerState::Stopping, _) => ControlResponse::failed("the server is stopping"),
            (ServerState::Serving, WaitGoal::Ready) if is_complete(supervisor) => {
                ControlResponse::done("the server is ready")
            }
            (ServerState::Serving, WaitGoal::Idle)
                if is_complete(supervisor) && is_idle(workers, supervisor) =>
            {
                ControlResponse::done("the server is idle")
            }
            _ => {
                if clients.control.still_asks(token) {
                    clients.waits.0.push((token, goal));
                }
                continue;
            }
        };
        clients.control.answer(token, &response);
    }
}

fn is_complete(supervisor: &Supervisor) -> bool {
    let serving = |view: &_| matches!(view, WorkerStage::Serving);
    let views = supervisor.workers().map(|view| view.stage);
    views.filter(serving).count() >= supervisor.target() as usize
}

fn is_idle(workers: &Workers, supervisor: &Supervisor) -> bool {
    let at_rest = |stage| {
        matches!(
            stage,
            WorkerStage::Serving | WorkerStage::Standby | WorkerStage::Paused
        )
    };
    supervisor.workers().all(|view| at_rest(view.stage))
        && workers
            .iter()
            .all(|(_, worker)| worker.page.counters().in_flight() == 0)
}
