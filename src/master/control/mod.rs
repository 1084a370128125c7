//! The master's end of `rgun ctl`: a unix socket, requests and answers as lines of JSON. It decides nothing.
//!
//! Served in the master's one loop: nothing here waits, and what clients can take of it is bounded.

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

pub use errand::Errands;
pub use rate::Rate;
pub use socket::{Control, Source};
pub use wait::Waits;
