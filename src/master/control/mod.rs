//! The server side of `rgun ctl`: a unix socket, requests and responses as lines of JSON.
//!
//! Served in the master's loop: nothing here waits, and the resources that clients can use are bounded.

mod client;
mod companions;
mod handlers;
pub mod place;
pub mod protocol;
mod rate;
mod socket;
mod stack_request;
mod stack_requests;
mod status;
pub mod trust;
mod wait;
mod waiting_clients;

pub use handlers::refused;
pub use rate::Rate;
pub use socket::{Control, ControlSource, ControlState};
pub use stack_requests::StackRequests;
pub use waiting_clients::WaitingClients;
