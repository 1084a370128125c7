//! The pid file: written once the server has bound, removed by its owner alone. It locks nothing.

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use super::Error;
use crate::sys::process::exists;
use crate::sys::{self, Pid};

#[derive(Debug)]
pub struct PidFile {
    path: PathBuf,
    owner: Pid,
}

impl PidFile {
    /// Writes our pid, in one step for every reader. A file that names a dead process (or us) is replaced.
    ///
    /// # Errors
    /// `Running` when it names a process that lives.
    pub fn write(path: &Path) -> Result<Self, Error> {
        let owner = Pid::this();
        match named_in(path) {
            Some(pid) if pid != owner && exists(pid) => {
                return Err(Error::Running {
                    path: path.to_owned(),
                    pid,
                });
            }
            _ => {}
        }
        let mut draft = path.as_os_str().to_owned();
        draft.push(format!(".{owner}"));
        let draft = PathBuf::from(draft);
        let written = write_new(&draft, owner).and_then(|()| fs::rename(&draft, path));
        if let Err(error) = written {
            // The draft may not even be there.
            drop(fs::remove_file(&draft));
            return Err(sys::Error::new("write pid file", path.display(), error).into());
        }
        Ok(Self {
            path: path.to_owned(),
            owner,
        })
    }

    /// Removes it, if it still names us.
    pub fn remove(&self) {
        if named_in(&self.path) == Some(self.owner)
            && let Err(error) = fs::remove_file(&self.path)
        {
            tracing::warn!(path = %self.path.display(), %error, "pid file stays behind");
        }
    }
}

fn named_in(path: &Path) -> Option<Pid> {
    fs::read_to_string(path)
        .ok()?
        .trim()
        .parse()
        .ok()
        .and_then(Pid::new)
}

fn write_new(path: &Path, pid: Pid) -> io::Result<()> {
    let mut file = fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o644)
        .open(path)?;
    writeln!(file, "{pid}")
}

#[cfg(test)]
mod tests {
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
        for stale in ["2147483647\n", "", "-1", "nonsense"] {
            fs::write(&path, stale).expect("a file");
            PidFile::write(&path).expect("nobody has that pid");
            assert_eq!(named_in(&path), Some(Pid::this()));
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
