//! Why the master could not start, or had to give up. It does not print and picks no exit code.

use crate::{ipc, sys};

#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The operating system refused; `hint` may know a way out.
    #[error(transparent)]
    System(#[from] sys::Error),
    #[error(transparent)]
    Ipc(#[from] ipc::Error),
}
