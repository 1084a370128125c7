//! The interface of the master to its host: the interpreter that it runs in, or the program without one.

use std::path::PathBuf;

use super::launch::Launch;
use super::molds::MoldChild;
use super::worker_init::WorkerInit;

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
    /// In the master, once every address is open, with those addresses.
    fn listening(&self, _addresses: &[String]) {}
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
