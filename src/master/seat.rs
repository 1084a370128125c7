//! What a forked worker is given, and what the master asks of its surroundings. It does not start anything.

use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::Arc;

use super::molds::Mold;
use crate::config::Settings;
use crate::ipc;
use crate::sys::{Document, Listener, Pid, Scratch};

/// Everything a worker inherits from the master.
#[derive(Debug)]
pub struct Seat {
    pub slot: u32,
    /// gunicorn's: how many workers were started up to this one.
    pub age: u64,
    pub generation: u64,
    pub settings: Arc<Settings>,
    /// The worker's copies; the master keeps its own.
    pub listeners: Vec<Listener>,
    /// Where there is TLS.
    pub certificates: Option<SharedCertificates>,
    pub channel: ipc::WorkerChannel,
    /// Read end of a pipe that only the master can write to and never does: end of file = the master is gone.
    pub lifeline: OwnedFd,
    /// This incarnation's page of the scoreboard.
    pub page: ipc::Page,
    /// Where the stacks of its threads are to be written on `DUMP_STACKS`; the master reads them there.
    pub stacks: Scratch,
    /// Development: where the files that this worker has loaded are told.
    pub news: Option<OwnedFd>,
    pub master: Pid,
}

/// What the master keeps up to date for workers that speak TLS.
#[derive(Debug, Clone)]
pub struct SharedCertificates {
    /// `tls::Material`, encoded; replaced when files change.
    pub material: Arc<Document>,
    pub tickets: ipc::TicketKeys,
}

/// What surrounds the master: whose interpreter runs, and what a worker does. Keeps Python out of this layer.
pub trait Host {
    /// In the parent, right before each fork.
    fn before_fork(&self);
    /// In the parent, right after each fork, also when it failed.
    fn after_fork_parent(&self);
    /// In the child, before anything else.
    fn after_fork_child(&self);
    /// In the child, when it is about to become another user: the last chance to read what that one may not.
    fn before_identity(&self) {}
    /// The executable of the Python that workers run in, where it is known.
    fn python_executable(&self) -> Option<PathBuf> {
        None
    }
    /// The mold's whole life, and that of each worker that it forks; the number is its exit code. As `run_worker`.
    fn run_mold(&self, mold: Mold) -> u8;
    /// The worker's whole life; the number is its exit code. It may return: the stack unwinds to the caller of `run`.
    fn run_worker(&self, seat: Seat) -> u8;
}

/// In which process, and how, `run` came to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The master is done; exit with that code.
    Exit(u8),
    /// This is a forked worker whose work is done; exit with that code and nothing else.
    Worker(u8),
}
