//! The molds of the master: processes that the workers of a generation are forked from. Started, asked to fork, read
//! and ended here.

mod child;
mod exit;
mod hooks;
mod process;
mod refork;
mod requests;
mod running;
mod seed;
mod spawn;
mod start;

pub use child::{ForkRequest, Forked, MoldChild, MoldRequest, Newborn};
pub use running::{Molds, MoldsState};
pub use seed::MoldSeed;
pub use start::{MoldInit, live};
