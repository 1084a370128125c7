//! Descriptors that come as numbers, from Python or from an app: whatever the number is, using it is sound.

use std::io;
use std::os::fd::{FromRawFd, OwnedFd, RawFd};

/// A descriptor of our own for what that number names now; close-on-exec.
///
/// # Errors
/// `EBADF` where it names nothing: negative, closed, or another process's.
pub fn duplicate(number: RawFd) -> io::Result<OwnedFd> {
    // SAFETY: no pointers are passed; the kernel checks the number.
    let own = unsafe { libc::fcntl(number, libc::F_DUPFD_CLOEXEC, 0) };
    if own < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the kernel has just given us this descriptor; nothing else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(own) })
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsRawFd;

    use super::*;

    #[test]
    fn a_number_that_names_nothing_is_an_error() {
        for number in [-1, i32::MIN, i32::MAX] {
            let error = duplicate(number).expect_err("no such descriptor");
            assert_eq!(error.raw_os_error(), Some(libc::EBADF), "{number}");
        }
        let open = std::fs::File::open("/dev/null").expect("a device");
        let own = duplicate(open.as_raw_fd()).expect("an open file");
        assert_ne!(own.as_raw_fd(), open.as_raw_fd());
    }
}
