//! Communication between master and workers: messages over a socket pair, numbers over shared memory.

// A panic here would end the master.
#![cfg_attr(
    not(test),
    warn(clippy::indexing_slicing, clippy::panic, clippy::unwrap_used)
)]

mod board;
mod busy;
mod channel;
mod codec;
mod counters;
mod error;
mod facts;
mod held;
mod layout;
mod leader;
mod message;
mod mold;
mod monitor_beat;
#[allow(
    clippy::indexing_slicing,
    reason = "a page's layout is fixed, and its length is checked when it is made"
)]
mod page;
mod scoreboard;
mod tickets;
mod transfer;

pub use board::Board;
pub use busy::Work;
pub use channel::{Incoming, MasterChannel, WorkerChannel, channel};
pub use counters::{Counters, FILE_STATUSES, GarbageCounters, WaitHistogram};
pub use error::{Error, Result};
pub use facts::{CAUSES, Queue, ScalingFacts, Service, ServiceFacts};
pub use held::{HeldChannels, HeldGeneration};
pub use layout::VERSION as SCOREBOARD_VERSION;
pub use leader::Leadership;
pub use message::*;
pub use mold::{ForkOrder, FromMold, MoldChannel, MoldHandle, ToMold, mold_channel};
pub use monitor_beat::MonitorBeat;
pub use page::{InFlight, InFlightMark, Page, ScoreboardState, Ticket};
pub use scoreboard::Scoreboard;
pub use tickets::{TicketKey, TicketKeys};
pub use transfer::{MOST_RECEIVED, TransferChannel, TransferTake, Transferred, Transfers};
