//! Clients that wait for the server to be ready, or to be idle.

use serde::{Deserialize, Serialize};

use super::protocol::ControlRequest;
use crate::master::supervisor::Token;

/// The waiting clients and their goals.
#[derive(Debug, Default, Clone, Serialize, Deserialize)]
pub struct WaitingClients(pub(super) Vec<(Token, WaitGoal)>);

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum WaitGoal {
    Ready,
    Idle,
}

impl WaitingClients {
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// `false`: the request is not one that waits.
    pub fn add(&mut self, token: Token, request: &ControlRequest) -> bool {
        let goal = match request {
            ControlRequest::WaitReady => WaitGoal::Ready,
            ControlRequest::WaitIdle => WaitGoal::Idle,
            _ => return false,
        };
        self.0.push((token, goal));
        true
    }
}
