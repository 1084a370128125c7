//! What master and workers say to each other: messages over a socket pair, numbers over shared memory. It decides nothing.

mod message;

pub use message::*;
