//! The log record of a hung worker: its stacks, requested by a signal, and its requests in flight. The stacks of a boot that
//! takes too long.

mod record;
mod state;

pub use self::record::{ask_for_stacks, awaits_stacks, collect_stacks, look_for_stacks};
pub use self::state::{BootProgress, Hang};
