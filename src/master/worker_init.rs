//! What a forked worker inherits, and the interface of the master to its host.

use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::Arc;

use super::launch::Launch;
use super::molds::MoldChild;
use crate::config::Settings;
use crate::ipc;
use crate::sys::{Document, Listener, MemFile, Pid};

/// Everything that a worker inherits from the master.
#[derive(Debug)]
pub struct WorkerInit {
    pub slot: u32,
    /// As in gunicorn: number of workers started so far, including this one.
    pub age: u64,
    /// Whether this worker is the one that does what is to be done once.
    pub leadership: ipc::Leadership,
    pub generation: u64,
    pub settings: Arc<Settings>,
    /// The worker's copies; the master keeps its own.
    pub listeners: Vec<Listener>,
    /// Set if TLS is used.
    pub certificates: Option<SharedCertificates>,
    pub channel: ipc::WorkerChannel,
    /// Read end of a pipe whose write end only the master has, and never uses: EOF means that the master is gone.
    pub lifeline: OwnedFd,
    /// This incarnation's page of the scoreboard.
    pub page: ipc::Page,
    /// The file for the stacks of its threads on `DUMP_STACKS`; the master reads it.
    pub stacks: MemFile,
    /// `--reload`: the channel on which this worker reports the files that it has loaded.
    pub loaded_files: Option<OwnedFd>,
    pub master: Pid,
}

/// Certificate data that the master updates for workers that use TLS.
#[derive(Debug, Clone)]
pub struct SharedCertificates {
    /// `tls::Material`, encoded; replaced when files change.
    pub material: Arc<Document>,
    pub tickets: ipc::TicketKeys,
}

/// The host of the master: which interpreter runs, and what a worker does. Keeps Python out of this layer.
pub trait Host {
    /// In the parent, right before each fork.
    fn before_fork(&self);
    /// In the parent, right after each fork, also when it failed.
    fn after_fork_parent(&self);
    /// In the child, before anything else.
    fn after_fork_child(&self);
    /// In the child, before it changes to another user: the last opportunity to read files that the other user may
    /// not.
    fn before_identity(&self) {}
    /// The executable of the Python that workers run in, where it is known.
    fn python_executable(&self) -> Option<PathBuf> {
        None
    }
    /// How the program is started that is now where this one was started from; `None`: that is not known.
    fn successor(&self) -> Option<Launch> {
        None
    }
    /// How this program is started again.
    fn itself(&self) -> Option<Launch> {
        None
    }
    /// Runs a mold, and each worker that it forks; returns the exit code. As `run_worker`.
    fn run_mold(&self, mold: MoldChild) -> u8;
    /// Runs a worker; returns its exit code. It may return: the stack unwinds to the caller of `run`.
    fn run_worker(&self, worker_init: WorkerInit) -> u8;
}

/// In which process, and how, `run` has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RunOutcome {
    /// The master has ended; exit with that code.
    Exit(u8),
    /// This is a forked worker that has ended; exit with that code and do nothing else.
    Worker(u8),
}
