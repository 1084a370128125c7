//! Upgrade in place: another program goes on in this process, with everything that is open and every child.
//!
//! It is tried first, as a child that gets the same state (`check`). Then this process becomes it (`exec`), and it takes over
//! (`takeover`): it works with copies of the descriptors until all is there, so that up to then the way back is open, also for one
//! that crashes or hangs.

mod answers;
pub mod attempt;
mod check;
pub mod first;
mod hand_over;
mod in_place;
mod permission;
mod restored_settings;
pub mod second;
mod state;
mod takeover;

pub use check::{CHECK, answer};
pub use in_place::{advance, begin};
pub use takeover::{PreviousMaster, rehearse, take_over};
