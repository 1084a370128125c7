//! The server side of `rgun ctl`: a unix socket, requests and responses as lines of JSON.
//!
//! Served in the master's loop: nothing here waits, and the resources that clients can use are bounded.

mod client;
mod desk;
mod errand;
pub mod place;
pub mod protocol;
mod rate;
mod socket;
mod stacks;
mod status;
pub mod trust;
mod wait;

pub use desk::refused;
pub use errand::Errands;
pub use rate::Rate;
pub use socket::{Control, ControlState, Source};
pub use wait::Waits;
