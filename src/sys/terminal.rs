//! Single key presses from an interactive terminal.

use std::io;
use std::os::fd::AsFd;
use std::time::Duration;

use nix::sys::termios::{LocalFlags, SetArg, Termios, tcgetattr, tcsetattr};

use super::wait_readable;

/// Keys arrive at once, without echo, and none of them is a signal. Dropping it restores the terminal.
#[derive(Debug)]
pub struct Keys {
    before: Termios,
}

impl Keys {
    /// `None`: standard input is no terminal.
    pub fn take() -> Option<Self> {
        let input = io::stdin();
        let before = tcgetattr(&input).ok()?;
        let mut single = before.clone();
        single
            .local_flags
            .remove(LocalFlags::ICANON | LocalFlags::ECHO | LocalFlags::ISIG);
        tcsetattr(&input, SetArg::TCSANOW, &single).ok()?;
        Some(Self { before })
    }

    /// A key that is pressed within `patience`; `Err`: no more keys will come.
    ///
    /// # Errors
    /// The system's, or the terminal is gone.
    pub fn wait(&self, patience: Duration) -> io::Result<Option<u8>> {
        let input = io::stdin();
        let ready = wait_readable(&[input.as_fd()], Some(patience)).map_err(|it| it.source)?;
        if ready.first() != Some(&true) {
            return Ok(None);
        }
        let mut key = [0];
        // Not through the buffer of standard input, in which keys that came together would be left.
        match nix::unistd::read(&input, &mut key)? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            _ => Ok(key.first().copied()),
        }
    }
}

impl Drop for Keys {
    fn drop(&mut self) {
        // A terminal that is gone needs no restoring.
        let _ = tcsetattr(io::stdin(), SetArg::TCSANOW, &self.before);
    }
}
