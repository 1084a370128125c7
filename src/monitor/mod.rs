//! The monitor: a small process without Python that answers probes and serves metrics, whatever the workers do. Serving
//! requests never depends on it.
//!
//! One thread, a bounded number of connections; its data comes from the scoreboard and from /proc.

mod companion;
mod companion_metrics;
mod exposition;
mod families;
mod flow;
mod garbage_metrics;
mod generation_metrics;
mod generations;
mod listener;
mod memory;
mod metrics;
mod overview;
mod probe;
mod ratio;
mod response;
mod row;
mod server;
mod snapshot;

use std::os::fd::OwnedFd;
use std::sync::Arc;

use crate::ipc::Board;
use crate::sys::{Document, Listener};

/// What the monitor gets from the master.
#[derive(Debug)]
pub struct MonitorInit {
    /// The addresses of the monitor itself.
    pub listeners: Vec<Listener>,
    /// End of file: the master is gone.
    pub lifeline: OwnedFd,
    pub board: Board,
    /// What the server is called.
    pub app: String,
    /// The addresses that the app is served at, in the order of `Facts::queues`.
    pub addresses: Arc<[String]>,
    /// A line for each certificate: when it expires, in seconds since 1970, and its name. `None`: no TLS.
    pub certificates: Option<Document>,
    /// A line for each companion: 1 where it runs or 0, how often it was started again, its name.
    pub companions: Option<Document>,
}

/// Runs until the master is gone; returns the exit code.
pub fn run(post: MonitorInit) -> u8 {
    match server::run(post) {
        Ok(()) => 0,
        Err(error) => {
            tracing::error!(%error, "monitor failed");
            1
        }
    }
}
