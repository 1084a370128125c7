//! Clients that wait for the server to be ready, or to be idle.

use serde::{Deserialize, Serialize};

use super::protocol::{Request, Response};
use crate::master::shell::Shell;
use crate::master::supervisor::{Service, Stage, Token};

/// The waiting clients and their goals.
#[derive(Debug, Default, Clone, Serialize, Deserialize)]
pub struct Waits(Vec<(Token, Goal)>);

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum Goal {
    Ready,
    Idle,
}

impl Waits {
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// `false`: the request is not one that waits.
    pub fn add(&mut self, token: Token, request: &Request) -> bool {
        let goal = match request {
            Request::WaitReady => Goal::Ready,
            Request::WaitIdle => Goal::Idle,
            _ => return false,
        };
        self.0.push((token, goal));
        true
    }
}

impl Shell<'_> {
    /// Answers those whose goal is reached, or cannot be reached any more.
    pub(in crate::master) fn settle_waits(&mut self) {
        let waiting = std::mem::take(&mut self.desk.waits.0);
        for (token, goal) in waiting {
            let response = match (self.supervisor.service(), goal) {
                (Service::Stopping, _) => Response::failed("the server is stopping"),
                (Service::Serving, Goal::Ready) if self.is_complete() => {
                    Response::done("the server is ready")
                }
                (Service::Serving, Goal::Idle) if self.is_complete() && self.is_idle() => {
                    Response::done("the server is idle")
                }
                _ => {
                    if self.desk.control.still_asks(token) {
                        self.desk.waits.0.push((token, goal));
                    }
                    continue;
                }
            };
            self.desk.control.answer(token, &response);
        }
    }

    fn is_complete(&self) -> bool {
        let serving = |view: &_| matches!(view, Stage::Serving);
        let views = self.supervisor.workers().map(|view| view.stage);
        views.filter(serving).count() >= self.supervisor.target() as usize
    }

    fn is_idle(&self) -> bool {
        let at_rest = |stage| matches!(stage, Stage::Serving | Stage::Standby | Stage::Paused);
        self.supervisor.workers().all(|view| at_rest(view.stage))
            && self
                .fleet
                .workers
                .iter()
                .all(|(_, worker)| worker.page.counters().in_flight() == 0)
    }
}
