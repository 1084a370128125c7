//! What master and workers say to each other: messages over a socket pair, numbers over shared memory. It decides nothing.

mod channel;
mod codec;
mod counters;
mod error;
mod layout;
mod message;
mod page;
mod scoreboard;

pub use channel::{Incoming, MasterChannel, WorkerChannel, channel};
pub use counters::Counters;
pub use error::{Error, Result};
pub use message::*;
pub use page::{InFlight, Page, State, Ticket};
pub use scoreboard::Scoreboard;
