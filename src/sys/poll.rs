//! poll(2).

use std::os::fd::BorrowedFd;
use std::time::Duration;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout};

use super::{Error, Result};

/// What is waited for at one descriptor. Its closing is reported in any case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PollInterest {
    Readable,
    Writable,
    Closed,
}

/// Waits until one of `fds` can be read or is closed; returns which. An interrupted wait returns none.
///
/// `timeout` is rounded up to whole milliseconds, so that a deadline has passed when it returns none; `None`: for ever.
pub fn wait_readable(fds: &[BorrowedFd<'_>], timeout: Option<Duration>) -> Result<Vec<bool>> {
    let wanted: Vec<_> = fds.iter().map(|fd| (*fd, PollInterest::Readable)).collect();
    wait_for(&wanted, timeout)
}

/// As `wait_readable`, with a condition for each descriptor.
pub fn wait_for(
    fds: &[(BorrowedFd<'_>, PollInterest)],
    timeout: Option<Duration>,
) -> Result<Vec<bool>> {
    let mut polled: Vec<PollFd<'_>> = fds
        .iter()
        .map(|(fd, wanted)| {
            let flags = match wanted {
                PollInterest::Readable => PollFlags::POLLIN,
                PollInterest::Writable => PollFlags::POLLOUT,
                PollInterest::Closed => PollFlags::empty(),
            };
            PollFd::new(*fd, flags)
        })
        .collect();
    match nix::poll::poll(&mut polled, milliseconds(timeout)) {
        Ok(_) => Ok(polled.iter().map(|fd| fd.any().unwrap_or(true)).collect()),
        Err(Errno::EINTR) => Ok(vec![false; fds.len()]),
        Err(e) => Err(Error::new("poll", "", e)),
    }
}

/// Waits until `fd` takes a write, or is closed.
pub fn wait_writable(fd: BorrowedFd<'_>, timeout: Option<Duration>) -> Result<bool> {
    let mut polled = [PollFd::new(fd, PollFlags::POLLOUT)];
    match nix::poll::poll(&mut polled, milliseconds(timeout)) {
        Ok(count) => Ok(count > 0),
        Err(Errno::EINTR) => Ok(false),
        Err(e) => Err(Error::new("poll", "", e)),
    }
}

fn milliseconds(timeout: Option<Duration>) -> PollTimeout {
    match timeout {
        None => PollTimeout::NONE,
        Some(timeout) => {
            let whole = timeout.as_nanos().div_ceil(1_000_000);
            // A wait of more than 24 days is as good as 24 days: the caller loops.
            i32::try_from(whole)
                .ok()
                .and_then(|ms| PollTimeout::try_from(ms).ok())
                .unwrap_or(PollTimeout::MAX)
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;

    use super::*;

    #[test]
    fn tells_which_one_is_readable_and_sees_a_close() {
        let (read, write) = nix::unistd::pipe().expect("a pipe");
        let (other, _kept) = nix::unistd::pipe().expect("a pipe");
        let soon = Some(Duration::from_millis(1));
        let fds = [read.as_fd(), other.as_fd()];
        assert_eq!(wait_readable(&fds, soon).expect("poll"), [false, false]);
        drop(write);
        assert_eq!(wait_readable(&fds, None).expect("poll"), [true, false]);
    }

    #[test]
    fn a_timeout_is_rounded_up() {
        assert_eq!(
            milliseconds(Some(Duration::from_micros(1))),
            PollTimeout::from(1u16)
        );
        assert_eq!(milliseconds(Some(Duration::ZERO)), PollTimeout::ZERO);
        assert_eq!(milliseconds(Some(Duration::MAX)), PollTimeout::MAX);
        assert_eq!(milliseconds(None), PollTimeout::NONE);
    }
}
