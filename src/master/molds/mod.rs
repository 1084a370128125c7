//! The molds of the master: processes that the workers of a generation are forked from. Started, asked to fork, read
//! and ended here.

mod child;
mod exit;
pub mod hooks;
mod process;
mod refork;
mod requests;
mod running;
mod seed;
mod spawn;
mod start;

pub use child::{ForkRequest, Forked, MoldChild, MoldRequest, Newborn};
pub use exit::{end_all, reaped};
pub use refork::{adopt, return_to_before};
pub use requests::{receive, request_worker, withdraw};
pub use running::{Molds, MoldsState};
pub use seed::MoldSeed;
pub use spawn::start;
pub use start::{MoldInit, live};
