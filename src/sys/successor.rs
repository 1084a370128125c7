//! Another program in place of this one, in the same process: the descriptors that it is to have keep their numbers.

use std::convert::Infallible;
use std::ffi::{CString, OsStr, OsString};
use std::io;
use std::os::fd::{BorrowedFd, RawFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};

use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::unistd::execve;

use super::{Error, restore_descriptor_limit};

/// Becomes that program, with the environment of this process and these variables. Beside `kept` it has the standard streams:
/// everything else is close-on-exec. Signals that are blocked stay blocked, and those that have come wait for it.
///
/// # Errors
/// It only returns with one. Then everything is as it was.
pub fn replace_program(
    path: &OsStr,
    words: &[OsString],
    variables: &[(String, String)],
    kept: &[RawFd],
) -> Error {
    let limit = getrlimit(Resource::RLIMIT_NOFILE);
    match try_replace(path, words, variables, kept) {
        Ok(never) => match never {},
        Err(error) => {
            if let Ok((soft, hard)) = limit {
                // The new program was to begin with that of the start.
                let _ = setrlimit(Resource::RLIMIT_NOFILE, soft, hard);
            }
            for fd in kept {
                let _ = mark(*fd, FdFlag::FD_CLOEXEC);
            }
            Error::new("exec", path.to_string_lossy(), error)
        }
    }
}

fn try_replace(
    path: &OsStr,
    words: &[OsString],
    variables: &[(String, String)],
    kept: &[RawFd],
) -> io::Result<Infallible> {
    let path = CString::new(path.as_bytes())?;
    let words = words_of(words)?;
    let environment = environment_with(variables)?;
    for fd in kept {
        mark(*fd, FdFlag::empty())?;
    }
    restore_descriptor_limit();
    Ok(execve(&path, &words, &environment)?)
}

pub(super) fn words_of(words: &[OsString]) -> io::Result<Vec<CString>> {
    let words = words.iter().map(|word| CString::new(word.as_bytes()));
    Ok(words.collect::<Result<_, _>>()?)
}

/// That of this process, with these variables.
pub(super) fn environment_with(variables: &[(String, String)]) -> io::Result<Vec<CString>> {
    let replaced = |name: &OsStr| variables.iter().any(|(own, _)| name == own.as_str());
    let inherited = std::env::vars_os().filter(|(name, _)| !replaced(name));
    let own = variables.iter().cloned();
    let own = own.map(|(name, value)| (OsString::from(name), OsString::from(value)));
    let environment = inherited.chain(own).map(|(name, value)| {
        let mut pair = name.into_vec();
        pair.push(b'=');
        pair.extend(value.into_vec());
        CString::new(pair)
    });
    Ok(environment.collect::<Result<_, _>>()?)
}

fn mark(fd: RawFd, flag: FdFlag) -> nix::Result<()> {
    // SAFETY: only used for a call that fails on a number that is not open.
    let fd = unsafe { BorrowedFd::borrow_raw(fd) };
    fcntl(fd, FcntlArg::F_SETFD(flag)).map(drop)
}

/// Closes descriptors that the program before has kept open for this one. It must have copies of its own of all that it uses.
pub fn close_inherited(descriptors: &[RawFd]) {
    for fd in descriptors.iter().filter(|fd| **fd > 2) {
        // SAFETY: nothing in this process owns these numbers: they were open when it began, and it works with copies.
        unsafe { libc::close(*fd) };
    }
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsRawFd;

    use super::*;

    #[test]
    fn a_program_that_is_not_there_changes_nothing() {
        let file = tempfile::tempfile().expect("a file");
        let path = OsStr::new("/nowhere/rgun");
        let error = replace_program(path, &["rgun".into()], &[], &[file.as_raw_fd()]);
        assert!(
            error.to_string().starts_with("exec /nowhere/rgun"),
            "{error}"
        );
        let flags = fcntl(&file, FcntlArg::F_GETFD).expect("open");
        assert_eq!(flags, FdFlag::FD_CLOEXEC.bits());
    }
}
