//! The pid file: written once the server has bound, removed only by its owner.

use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::Error;
use crate::sys::process::{self, is_alive};
use crate::sys::{self, DirectoryEntry, LastLink, Pid, directory_of, may_write};

/// Process times have the precision of a clock tick, and the machine's boot that of a second.
const CLOCKS_DIFFER: Duration = Duration::from_secs(2);

/// A larger file cannot contain a pid.
const LONGEST: u64 = 64;

#[derive(Debug)]
pub struct PidFile {
    path: PathBuf,
    owner: Pid,
}

impl PidFile {
    /// Writes our pid, atomically for every reader. A file that names a dead process (or us) is replaced, and so is an empty one.
    ///
    /// # Errors
    /// `Running` when it names a process that lives; that something else is there.
    pub fn write(path: &Path) -> Result<Self, Error> {
        let owner = Pid::this();
        let failed = |error| failed_at(path, error);
        let place = DirectoryEntry::find(path, LastLink::Followed).map_err(failed)?;
        match found_in(&place)
            .map_err(failed)?
            .filter(|pid| *pid != owner)
        {
            Some(pid) if is_alive(pid) && !is_reused(pid, &place) => {
                return Err(Error::Running {
                    path: path.to_owned(),
                    pid,
                });
            }
            Some(pid) => {
                let path = path.display();
                tracing::info!(%path, named_pid = pid.as_raw(), "replacing the pid file of a server that is gone");
            }
            None => {}
        }
        let (draft, mut file) = place.draft(0o644).map_err(failed)?;
        let written = writeln!(file, "{owner}")
            .map_err(|error| sys::Error::new("write", path.display(), error))
            .and_then(|()| draft.replace(&place))
            .map_err(failed);
        if let Err(error) = written {
            // The error is reported already.
            drop(draft.unlink());
            return Err(error.into());
        }
        Ok(Self {
            path: path.to_owned(),
            owner,
        })
    }

    /// Fails where `write` would, and changes nothing. The file of a server that runs is no failure.
    ///
    /// # Errors
    /// That something else is there, or that no file can be made.
    pub fn try_write(path: &Path) -> sys::Result<()> {
        let place = DirectoryEntry::find(path, LastLink::Followed)
            .map_err(|error| failed_at(path, error))?;
        found_in(&place).map_err(|error| failed_at(path, error))?;
        let directory = directory_of(place.path());
        may_write(&directory).map_err(|e| sys::Error::new("write pid file", path.display(), e))
    }

    /// The one that this process has written before.
    pub fn written(path: PathBuf) -> Self {
        Self {
            path,
            owner: Pid::this(),
        }
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Removes the file, if it still names us.
    pub fn remove(&self) {
        let removed = DirectoryEntry::find(&self.path, LastLink::Followed).and_then(|place| {
            match named_in(&place) {
                Some(pid) if pid == self.owner => place.unlink(),
                _ => Ok(()),
            }
        });
        match removed {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                tracing::warn!(%error, "pid file not removed");
            }
            Ok(()) | Err(_) => {}
        }
    }
}

fn failed_at(path: &Path, error: sys::Error) -> sys::Error {
    sys::Error {
        call: "write pid file",
        object: path.display().to_string(),
        ..error.with_path_hint(path)
    }
}

/// Whether the pid was reused by another process after the file had been written, as after `kill -9` or in a new
/// container.
///
/// Clocks are set and files copied: a process with the title of a server is taken for the right one.
fn is_reused(pid: Pid, place: &DirectoryEntry) -> bool {
    let written = place.read().and_then(|file| {
        let written = file.metadata().and_then(|found| found.modified());
        written.map_err(|error| sys::Error::new("stat", place.path().display(), error))
    });
    let (Ok(written), Some(began)) = (written, process::began(pid)) else {
        return false;
    };
    let is_server = ["rgun", "gunicorn"]
        .iter()
        .any(|name| process::command_line(pid).contains(name));
    !is_server && began > written + CLOCKS_DIFFER
}

/// The pid in the file; `None` if it is no pid file.
fn named_in(place: &DirectoryEntry) -> Option<Pid> {
    found_in(place).ok().flatten()
}

/// The pid in the file; `None`: there is no file, or an empty one, or one with a number that no process has.
///
/// # Errors
/// That there is something else, which must not be replaced.
fn found_in(place: &DirectoryEntry) -> sys::Result<Option<Pid>> {
    let other = |problem: &str| {
        sys::Error::new("write", place.path().display(), io::Error::other(problem))
            .with_hint("a pid file is a file of its own; leave --pid out for none")
    };
    let failed = |error| sys::Error::new("read", place.path().display(), error);
    let file = match place.read() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        found => found?,
    };
    if !file.metadata().map_err(failed)?.is_file() {
        return Err(other(
            "something that is not a regular file is in its place",
        ));
    }
    let mut text = String::new();
    match file.take(LONGEST).read_to_string(&mut text) {
        Err(error) if error.kind() == io::ErrorKind::InvalidData => {
            return Err(other("the file that is there does not hold a pid"));
        }
        read => drop(read.map_err(failed)?),
    }
    // After a crash of the machine it may consist of zero bytes.
    match text.trim_matches(|c: char| c.is_whitespace() || c == '\0') {
        "" => Ok(None),
        text => match text.parse::<i64>() {
            Ok(number) => Ok(i32::try_from(number).ok().and_then(Pid::new)),
            Err(_) => Err(other("the file that is there does not hold a pid")),
        },
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn path() -> (tempfile::TempDir, PathBuf) {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let path = directory.path().join("rgun.pid");
        (directory, path)
    }

    #[test]
    fn holds_our_pid_and_goes_with_us() {
        let (directory, path) = path();
        let file = PidFile::write(&path).expect("a free path");
        assert_eq!(
            fs::read_to_string(&path).expect("written"),
            format!("{}\n", Pid::this())
        );
        assert_eq!(
            fs::read_dir(directory.path()).expect("there").count(),
            1,
            "no draft is left"
        );
        file.remove();
        assert!(!path.exists());
    }

    #[test]
    fn a_stale_or_broken_one_is_replaced() {
        let (_directory, path) = path();
        for stale in ["2147483647\n", "", "-1", " \n", "\0\0\0\0"] {
            fs::write(&path, stale).expect("a file");
            PidFile::write(&path).expect("nobody has that pid");
            let place = DirectoryEntry::find(&path, LastLink::Followed).expect("it is there");
            assert_eq!(named_in(&place), Some(Pid::this()));
        }
    }

    #[test]
    fn what_is_no_pid_file_is_left_alone() {
        let (directory, path) = path();
        for text in ["nonsense", "12 34", "workers = 2\n"] {
            fs::write(&path, text).expect("a file");
            let error = PidFile::write(&path).expect_err("it is somebody's");
            assert!(error.to_string().contains("does not hold a pid"), "{error}");
            assert_eq!(fs::read_to_string(&path).expect("there"), text);
        }
        for other in [directory.path(), Path::new("/dev/null")] {
            let error = PidFile::write(other).expect_err("it is no file");
            assert!(error.to_string().contains("not a regular file"), "{error}");
        }
    }

    #[test]
    fn a_living_process_keeps_its_file() {
        let (_directory, path) = path();
        fs::write(&path, "1\n").expect("a file");
        let error = PidFile::write(&path).expect_err("init lives");
        assert!(
            error
                .to_string()
                .ends_with("rgun.pid: process 1 is running"),
            "{error}"
        );
        assert!(error.hint().is_some());
        assert_eq!(fs::read_to_string(&path).expect("untouched"), "1\n");
    }

    #[test]
    fn a_number_that_another_process_has_by_now_is_stale() {
        let (_directory, path) = path();
        fs::write(&path, "1\n").expect("a file");
        let long_ago = fs::File::options().write(true).open(&path).expect("there");
        long_ago
            .set_modified(std::time::UNIX_EPOCH)
            .expect("it is ours");
        PidFile::write(&path).expect("process 1 began after the file was written");
    }

    #[test]
    fn a_link_of_our_own_is_followed() {
        let (directory, path) = path();
        let link = directory.path().join("link.pid");
        std::os::unix::fs::symlink(&path, &link).expect("a link");
        let file = PidFile::write(&link).expect("a free path");
        assert_eq!(
            fs::read_to_string(&path).expect("written"),
            format!("{}\n", Pid::this())
        );
        file.remove();
        assert!(!path.exists());
    }

    #[test]
    fn a_successors_file_is_left_alone() {
        let (_directory, path) = path();
        let file = PidFile::write(&path).expect("a free path");
        fs::write(&path, "1\n").expect("a file");
        file.remove();
        assert!(path.exists());
    }

    #[test]
    fn a_place_that_cannot_be_written_is_named() {
        let error =
            PidFile::write(Path::new("/no/such/directory/rgun.pid")).expect_err("no directory");
        assert_eq!(
            error.to_string(),
            "write pid file /no/such/directory/rgun.pid: no such file or directory"
        );
    }
}
