//! Leaving the terminal: a new session, and standard streams redirected to /dev/null or a log.

use std::fs::OpenOptions;
use std::io::{self, IsTerminal, Read, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, IntoRawFd, OwnedFd};

use nix::fcntl::{OFlag, open};
use nix::sys::stat::Mode;
use nix::unistd::{dup2_stderr, dup2_stdin, dup2_stdout, setsid};

use super::{Error, Pid, Result, wait_readable};

/// From here on no terminal sends this process signals. Fails in a group's leader: fork before.
pub fn leave_session() -> Result<()> {
    match setsid() {
        Ok(_) => Ok(()),
        Err(error) => Err(Error::new("setsid", "", error)),
    }
}

/// Opens closed standard streams on /dev/null: otherwise the next file to be opened gets their number, and prints go to it.
pub fn open_stdio() -> Result<()> {
    loop {
        // Kept over exec, as standard streams are.
        let null = open("/dev/null", OFlag::O_RDWR, Mode::empty())
            .map_err(|error| Error::new("open", "/dev/null", io::Error::from(error)))?;
        if null.as_raw_fd() > 2 {
            return Ok(());
        }
        // For as long as the process lives.
        let _ = null.into_raw_fd();
    }
}

/// Standard input, output and error become /dev/null.
pub fn silence_stdio() -> Result<()> {
    let failed = |error: io::Error| Error::new("open", "/dev/null", error);
    let null = OpenOptions::new()
        .read(true)
        .write(true)
        .open("/dev/null")
        .map_err(failed)?;
    let null = null.as_fd();
    dup2_stdin(null)
        .and_then(|()| dup2_stdout(null))
        .and_then(|()| dup2_stderr(null))
        .map_err(|error| failed(error.into()))
}

/// As `silence_stdio`, but output and error stay where they lead to, unless that is a terminal.
pub fn keep_stdio() -> Result<()> {
    let failed = |error: io::Error| Error::new("open", "/dev/null", error);
    let null = OpenOptions::new()
        .read(true)
        .write(true)
        .open("/dev/null")
        .map_err(failed)?;
    let null = null.as_fd();
    let mut led = dup2_stdin(null);
    if io::stdout().is_terminal() {
        led = led.and_then(|()| dup2_stdout(null));
    }
    if io::stderr().is_terminal() {
        led = led.and_then(|()| dup2_stderr(null));
    }
    led.map_err(|error| failed(error.into()))
}

/// Standard output and error lead there.
pub fn lead_stdio_to(fd: BorrowedFd<'_>) -> Result<()> {
    dup2_stdout(fd)
        .and_then(|()| dup2_stderr(fd))
        .map_err(|error| Error::new("dup2", "log", io::Error::from(error)))
}

/// Writes all of it; that the reader has exited is no error.
pub fn write_all(to: OwnedFd, text: &[u8]) {
    // The reader may have exited.
    drop(std::fs::File::from(to).write_all(text));
}

/// Reads until all writers have closed their end.
pub fn read_to_end(from: OwnedFd) -> Vec<u8> {
    let mut file = std::fs::File::from(from);
    let mut text = Vec::new();
    let mut piece = [0; 1024];
    loop {
        match file.read(&mut piece) {
            Ok(0) => return text,
            Ok(count) => text.extend(piece.iter().take(count)),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            // Our pipes are non-blocking.
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                if wait_readable(&[file.as_fd()], None).is_err() {
                    return text;
                }
            }
            // What was read before still counts.
            Err(_) => return text,
        }
    }
}

/// Waits until this child has exited, with whatever status.
pub fn wait_for_end(pid: Pid) {
    // No other code reaps in this process, and an error means that there is nothing to wait for.
    let _ = nix::sys::wait::waitpid(nix::unistd::Pid::from_raw(pid.as_raw()), None);
}
