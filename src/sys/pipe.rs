//! pipe(2).

use std::os::fd::OwnedFd;

use nix::fcntl::OFlag;

use super::{Error, Result};

/// Read end and write end, close-on-exec, non-blocking.
pub fn pipe() -> Result<(OwnedFd, OwnedFd)> {
    nix::unistd::pipe2(OFlag::O_CLOEXEC | OFlag::O_NONBLOCK).map_err(|e| Error::new("pipe", "", e))
}
