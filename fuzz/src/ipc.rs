//! Messages between master and worker as bytes; the channels that carry them need the rest of the crate.

#[allow(dead_code, reason = "the messages of molds use the rest of its reader")]
#[path = "../../src/ipc/codec.rs"]
pub mod codec;
#[path = "../../src/ipc/message.rs"]
mod message;

pub use message::*;

#[derive(Debug)]
pub enum Error {
    Malformed(&'static str),
}

pub type Result<T> = std::result::Result<T, Error>;
