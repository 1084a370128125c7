//! Messages between master and worker as bytes; the channels that carry them need the rest of the crate.

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
