//! The server that the command line names.

use std::path::PathBuf;

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ServerSelector {
    At(PathBuf),
    Called(String),
    /// Of its master, a worker or a companion.
    Process(u32),
    /// The one that is configured here, or the only one that runs.
    Any,
}
