//! Clients of the control socket, and the events that they wait for.

use super::socket::Control;
use super::stack_requests::StackRequests;
use super::waiting_clients::WaitingClients;

#[derive(Default)]
pub struct ControlClients {
    pub control: Control,
    pub waits: WaitingClients,
    pub stack_requests: StackRequests,
}
