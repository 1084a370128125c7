//! The server side of `rgun ctl`: a unix socket, requests and responses as lines of JSON.
//!
//! Served in the master's loop: nothing here waits, and the resources that clients can use are bounded.

mod client;
mod clients;
mod companions;
pub mod place;
pub mod protocol;
mod rate;
mod refusal;
mod replies;
mod requests;
mod socket;
mod stack_request;
mod stack_requests;
mod status;
pub mod trust;
mod wait;
mod waiting_clients;

pub use clients::ControlClients;
pub use rate::Rate;
pub use refusal::refused;
pub use replies::reply;
pub use requests::take_requests;
pub use socket::{Control, ControlSource, ControlState};
pub use waiting_clients::WaitingClients;
