//! Errors of the communication between master and worker.

use crate::sys;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The message cannot have been written by a worker (or master) of this version.
    #[error("malformed message: {0}")]
    Malformed(&'static str),
    /// The other end does not read.
    #[error("channel is full")]
    Full,
    /// The other end is gone.
    #[error("channel is closed")]
    Closed,
    /// More workers than the scoreboard has pages for.
    #[error("no free scoreboard page ({0} in use)")]
    NoPage(usize),
    #[error(transparent)]
    System(#[from] sys::Error),
}

pub type Result<T> = std::result::Result<T, Error>;
