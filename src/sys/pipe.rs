//! pipe(2).

use std::os::fd::OwnedFd;

use nix::fcntl::{FcntlArg, OFlag, fcntl};

use super::{Error, Result};

/// The same for a program that writes to it: only the read end does not wait.
pub fn pipe_from_program() -> Result<(OwnedFd, OwnedFd)> {
    let failed = |e| Error::new("pipe", "", e);
    let (read, write) = nix::unistd::pipe2(OFlag::O_CLOEXEC).map_err(failed)?;
    fcntl(&read, FcntlArg::F_SETFL(OFlag::O_NONBLOCK)).map_err(failed)?;
    Ok((read, write))
}

/// Read end and write end, close-on-exec, non-blocking.
pub fn pipe() -> Result<(OwnedFd, OwnedFd)> {
    nix::unistd::pipe2(OFlag::O_CLOEXEC | OFlag::O_NONBLOCK).map_err(|e| Error::new("pipe", "", e))
}
