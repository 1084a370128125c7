//! Files without a name, and what this process may do with files.

use std::ffi::CString;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use super::random;

/// Whether this process may write to that file, or make and remove files in that directory.
pub fn may_write(path: &Path) -> io::Result<()> {
    let text = CString::new(path.as_os_str().as_bytes())?;
    let mode = if path.is_dir() {
        libc::W_OK | libc::X_OK
    } else {
        libc::W_OK
    };
    // SAFETY: the text ends with NUL and outlives the call, which only looks.
    match unsafe { libc::faccessat(libc::AT_FDCWD, text.as_ptr(), mode, libc::AT_EACCESS) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// The directory that a path is in.
pub fn directory_of(path: &Path) -> PathBuf {
    match path.parent() {
        Some(parent) if parent != Path::new("") => parent.to_owned(),
        Some(_) | None => PathBuf::from("."),
    }
}

/// Whether this process may open `path` to append to it, and create it if it does not exist.
pub fn may_append(path: &Path) -> io::Result<()> {
    match path.metadata() {
        Ok(found) if found.is_dir() => Err(io::Error::from_raw_os_error(libc::EISDIR)),
        Ok(_) => may_write(path),
        Err(error) if error.kind() == io::ErrorKind::NotFound => may_write(&directory_of(path)),
        Err(error) => Err(error),
    }
}

/// The name by which a file was opened, as the kernel knows it now; for a message.
#[must_use]
pub fn name_of(file: &File) -> String {
    std::fs::read_link(format!("/proc/self/fd/{}", file.as_raw_fd()))
        .map_or_else(|_| "unknown".to_owned(), |path| path.display().to_string())
}

/// Opens a file to read, without waiting for the writer of a FIFO: the caller checks the type of what was opened.
pub fn open_at_once(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .read(true)
        .custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY)
        .open(path)
}

/// A new file in `directory`, for this process alone, deleted with its last descriptor.
pub fn unnamed_file(directory: &Path) -> io::Result<File> {
    let unnamed = OpenOptions::new()
        .read(true)
        .write(true)
        .custom_flags(libc::O_TMPFILE | libc::O_CLOEXEC)
        .mode(0o600)
        .open(directory);
    match unnamed {
        // Some file systems (NFS, older overlays) cannot; old kernels take the flag for O_DIRECTORY.
        Err(e) if matches!(e.raw_os_error(), Some(libc::EOPNOTSUPP | libc::EISDIR)) => {
            // A predictable name could be taken on purpose.
            let path = directory.join(format!("rgun-{:016x}", random()));
            let file = OpenOptions::new()
                .read(true)
                .write(true)
                .create_new(true)
                .mode(0o600)
                .open(&path)?;
            std::fs::remove_file(path)?;
            Ok(file)
        }
        result => result,
    }
}

/// Where temporary files are: `$TMPDIR`, which counts as unset where it is empty, as in Python and in shells.
#[must_use]
pub fn temporary_directory() -> PathBuf {
    std::env::var_os("TMPDIR")
        .filter(|value| !value.is_empty())
        .map_or_else(|| "/tmp".into(), Into::into)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pipe_is_not_waited_for() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("pipe");
        nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRUSR).expect("a pipe");
        let opened = open_at_once(&path).expect("a descriptor");
        assert!(!opened.metadata().expect("facts").is_file());
    }
}
