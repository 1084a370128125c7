//! Other programs as children: their own process group, a clean signal state, the death signal.

use std::env;
use std::ffi::OsStr;
use std::fs::{self, Metadata};
use std::io;
use std::os::fd::RawFd;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::process::{Parent, die_with_parent};
use super::signals::{SignalNumber, start_as_program};
use super::{Error, Identity, Pid, Result, restore_descriptor_limit};

/// Starts a program as the leader of a group, as another user if one is given. Only `reap` waits for it.
///
/// `kept`: the descriptors that it gets under the same numbers, beside standard input, output and error.
///
/// # Errors
/// The system's, among them that there is no such program.
pub fn start_group(
    command: &mut Command,
    identity: Option<Identity>,
    kept: &[RawFd],
) -> Result<Pid> {
    let parent = Pid::this();
    let kept = kept.to_vec();
    command.process_group(0);
    // SAFETY: the closure runs in a child that has one thread, as its parent had when it forked; it makes system calls and
    // allocates at most for an error, on a heap whose lock no other thread can have held.
    unsafe {
        command.pre_exec(move || {
            let raw = |error: Error| error.source;
            start_as_program().map_err(raw)?;
            restore_descriptor_limit();
            kept.iter().try_for_each(|fd| keep_open(*fd))?;
            if let Some(identity) = &identity {
                identity.assume().map_err(raw)?;
            }
            match die_with_parent(parent, SignalNumber::TERM).map_err(raw)? {
                Parent::Alive => Ok(()),
                Parent::Gone => Err(io::ErrorKind::NotFound.into()),
            }
        });
    }
    spawn(command)
}

/// Starts a program that outlives this one, in the same group. Only `reap` waits for it.
///
/// `kept`: the descriptors that it gets under the same numbers, beside standard input, output and error.
///
/// # Errors
/// The system's, among them that there is no such program.
pub fn start_beside(command: &mut Command, kept: &[RawFd]) -> Result<Pid> {
    let kept = kept.to_vec();
    // SAFETY: as in `start_group`.
    unsafe {
        command.pre_exec(move || {
            start_as_program().map_err(|error| error.source)?;
            restore_descriptor_limit();
            kept.iter().try_for_each(|fd| keep_open(*fd))
        });
    }
    spawn(command)
}

fn spawn(command: &mut Command) -> Result<Pid> {
    let program = command.get_program().to_string_lossy().into_owned();
    let failed = |error| Error::new("run", &program, error);
    let child = command.spawn().map_err(failed)?;
    i32::try_from(child.id())
        .ok()
        .and_then(Pid::new)
        .ok_or_else(|| failed(io::ErrorKind::Other.into()))
}

/// Clears close-on-exec, for the exec that follows.
fn keep_open(fd: RawFd) -> io::Result<()> {
    // SAFETY: no pointers are passed; a descriptor that is not open is an error.
    match unsafe { libc::fcntl(fd, libc::F_SETFD, 0) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// What would be run for that name: a path, from `directory`, or a file in one of the directories of `path`.
#[must_use]
pub fn find_program(program: &OsStr, path: &OsStr, directory: &Path) -> Option<PathBuf> {
    let is_program = |file: &PathBuf| {
        let executable =
            |found: Metadata| found.is_file() && found.permissions().mode() & 0o111 != 0;
        fs::metadata(file).is_ok_and(executable)
    };
    if program.as_encoded_bytes().contains(&b'/') {
        return Some(directory.join(program)).filter(is_program);
    }
    let mut places = env::split_paths(path).map(|place| directory.join(place).join(program));
    places.find(is_program)
}

/// Sends a signal to a whole group, by its leader.
pub fn kill_group(leader: Pid, signal: SignalNumber) -> Result<()> {
    // SAFETY: no pointers are passed.
    if unsafe { libc::kill(-leader.as_raw(), signal.as_raw()) } == 0 {
        Ok(())
    } else {
        Err(Error::last(
            "kill",
            format_args!("group {leader} with {signal}"),
        ))
    }
}
