//! The worker's small second thread: accepts, handles the master's messages, and ends the process when no other
//! thread can. It never runs Python, so it responds also while the app blocks the worker.

mod accepting;
mod commands;
mod kept;
mod leaving;
mod listeners;
mod master;
mod passing_on;
mod pickup;
mod run;
mod shedder;
mod shedding;
mod transferring;
mod watching;

pub use commands::{CommandQueue, MasterCommand};
pub use watching::Sentinel;
