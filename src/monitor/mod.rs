//! The monitor: a small process without Python that answers probes and shows metrics, whatever the workers do. It decides
//! nothing, and serving never depends on it.
//!
//! One thread, a bounded number of connections: what it knows stands on the scoreboard and in /proc.

mod door;
mod exposition;
mod families;
mod flow;
mod memory;
mod metrics;
mod probe;
mod ratio;
mod response;
mod server;
mod snapshot;

use std::os::fd::OwnedFd;
use std::sync::Arc;

use crate::ipc::Board;
use crate::sys::{Document, Listener};

/// What the master gives it.
#[derive(Debug)]
pub struct Post {
    /// Where it answers.
    pub listeners: Vec<Listener>,
    /// End of file: the master is gone.
    pub lifeline: OwnedFd,
    pub board: Board,
    /// The addresses that the app is served at, in the order of `Facts::queues`.
    pub addresses: Arc<[String]>,
    /// A line for each certificate: when it expires, in seconds since 1970, and its name. `None`: no TLS.
    pub certificates: Option<Document>,
}

/// Its whole life; the exit code.
pub fn run(post: Post) -> u8 {
    match server::run(post) {
        Ok(()) => 0,
        Err(error) => {
            tracing::error!(%error, "monitor failed");
            1
        }
    }
}
