//! Outputs for lines: a file, a pipe, a terminal, a socket; written without waiting, or with.

use std::fs::{File, OpenOptions};
use std::io::{self, IsTerminal, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::Path;
use std::time::Duration;

use super::place::{self, Appended, Ownership};
use super::{Error, Identity, Result, stream, wait_writable};

/// What a pipe takes whole or not at all (`PIPE_BUF`, pipe(7)): more in one write may be torn by other writers.
pub const ATOMIC: usize = 4096;

/// How to write without waiting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum WriteMethod {
    /// Always ready, in the sense of poll(2).
    File,
    /// An open file description of our own, with `O_NONBLOCK`.
    NonBlocking,
    Socket,
    /// A pipe or terminal that could not be opened anew. Others share its description, so it must stay as it is: ask
    /// poll(2), and write no more than what it promised room for. If another writer fills that room first, the write blocks.
    Polled,
}

#[derive(Debug)]
pub struct Output {
    file: File,
    way: WriteMethod,
    ownership: Ownership,
}

impl Output {
    /// Appends to a file, which is made if it is not there.
    ///
    /// # Errors
    /// Those of `place::append`.
    pub fn file(path: &Path) -> Result<Output> {
        let Appended { file, ownership } =
            place::append(path, 0o644).map_err(|error| error.with_path_hint(path))?;
        let way = match kind(&file) {
            WriteMethod::Polled => WriteMethod::NonBlocking,
            way => way,
        };
        Ok(Output {
            file,
            way,
            ownership,
        })
    }

    /// Gives the file to that user, who can then open it again. Pipes and devices keep their owner.
    ///
    /// # Errors
    /// The system's, and that the file must keep its owner.
    pub fn give_to(&self, identity: &Identity, path: &Path) -> Result<()> {
        let failed = |error| Error::new("chown", path.display(), error);
        if self.way != WriteMethod::File || !self.file.metadata().is_ok_and(|found| found.is_file())
        {
            return Ok(());
        }
        let is_theirs = match self.ownership {
            Ownership::MayChange => identity.give(self.file.as_fd()),
            Ownership::Stays => identity.owns(self.file.as_fd()),
        };
        if is_theirs.map_err(failed)? {
            return Ok(());
        }
        let reason = io::Error::other("it was there before, where other users can put files");
        Err(failed(reason).with_hint("give it to the user of the workers, or remove it"))
    }

    pub fn stderr() -> Result<Output> {
        Output::standard(io::stderr().as_fd(), "/proc/self/fd/2")
    }

    pub fn stdout() -> Result<Output> {
        Output::standard(io::stdout().as_fd(), "/proc/self/fd/1")
    }

    fn standard(fd: BorrowedFd<'_>, path: &str) -> Result<Output> {
        let copy = fd.try_clone_to_owned().or_else(|_| {
            // Closed by the parent: there is no reader.
            OpenOptions::new()
                .write(true)
                .open("/dev/null")
                .map(OwnedFd::from)
        });
        let file = File::from(copy.map_err(|error| Error::new("open", "/dev/null", error))?);
        match kind(&file) {
            // O_NONBLOCK belongs to the description, which our parent shares; a new one is ours alone.
            WriteMethod::Polled => match reopened(path) {
                Some(own) => Ok(Output::of(own, WriteMethod::NonBlocking)),
                None => Ok(Output::of(file, WriteMethod::Polled)),
            },
            way => Ok(Output::of(file, way)),
        }
    }

    /// Wraps a file that was opened elsewhere: it keeps its owner.
    fn of(file: File, way: WriteMethod) -> Output {
        Output {
            file,
            way,
            ownership: Ownership::Stays,
        }
    }

    /// For a child's standard output.
    ///
    /// # Errors
    /// When there is no descriptor left.
    pub fn duplicate(&self) -> Result<OwnedFd> {
        let copy = self.file.as_fd().try_clone_to_owned();
        copy.map_err(|error| Error::new("dup", "log", error))
    }

    #[must_use]
    pub fn is_terminal(&self) -> bool {
        self.file.is_terminal()
    }

    /// Both lead to the same file, pipe or terminal.
    #[must_use]
    pub fn is_same_file(&self, other: &Output) -> bool {
        match (self.file.metadata(), other.file.metadata()) {
            (Ok(one), Ok(other)) => (one.dev(), one.ino()) == (other.dev(), other.ino()),
            _ => false,
        }
    }

    /// A write of any length is one append, and never blocks.
    #[must_use]
    pub fn is_file(&self) -> bool {
        self.way == WriteMethod::File
    }

    /// How much of `bytes` to write at once, so that lines stay whole as far as that is possible: a line that is longer than
    /// `ATOMIC` stays whole where the pipe has room.
    #[must_use]
    pub fn piece(&self, bytes: &[u8]) -> usize {
        let piece = end_of_piece(bytes);
        let is_torn = piece == ATOMIC && bytes.get(ATOMIC - 1) != Some(&b'\n');
        match self.way {
            WriteMethod::File => bytes.len(),
            WriteMethod::NonBlocking | WriteMethod::Socket if is_torn => {
                memchr::memchr(b'\n', bytes).map_or(bytes.len(), |newline| newline + 1)
            }
            WriteMethod::NonBlocking | WriteMethod::Socket | WriteMethod::Polled => piece,
        }
    }

    /// Writes what is accepted at once (the first `ATOMIC` bytes at most where others share the description); returns how much.
    ///
    /// # Errors
    /// `WouldBlock` when nothing is accepted now; others are the end of this output, or a full disk.
    pub fn attempt(&self, bytes: &[u8]) -> io::Result<usize> {
        let piece = bytes.get(..ATOMIC).unwrap_or(bytes);
        loop {
            let written = match self.way {
                WriteMethod::File | WriteMethod::NonBlocking => (&self.file).write(bytes),
                WriteMethod::Socket => stream::send(self.file.as_fd(), bytes),
                WriteMethod::Polled => match wait_writable(self.file.as_fd(), Some(Duration::ZERO))
                {
                    Ok(true) => (&self.file).write(piece),
                    Ok(false) => Err(io::ErrorKind::WouldBlock.into()),
                    Err(error) => Err(error.source),
                },
            };
            match written {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                other => return other,
            }
        }
    }
}

impl AsFd for Output {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

/// As many whole lines as one atomic write holds; a longer line is torn.
#[must_use]
pub fn end_of_piece(bytes: &[u8]) -> usize {
    match bytes.get(..ATOMIC) {
        None => bytes.len(),
        Some(piece) => memchr::memrchr(b'\n', piece).map_or(ATOMIC, |newline| newline + 1),
    }
}

fn kind(file: &File) -> WriteMethod {
    let Ok(kind) = file.metadata().map(|metadata| metadata.file_type()) else {
        return WriteMethod::Polled;
    };
    if kind.is_socket() {
        WriteMethod::Socket
    } else if kind.is_fifo() || (kind.is_char_device() && file.is_terminal()) {
        WriteMethod::Polled
    } else {
        // Also /dev/null and its like.
        WriteMethod::File
    }
}

/// Fails where the pipe or terminal belongs to another user (after su), and where there is no /proc.
fn reopened(path: &str) -> Option<File> {
    OpenOptions::new()
        .write(true)
        .custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY)
        .open(path)
        .ok()
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::os::unix::net::UnixStream;

    use super::*;

    fn filled(output: &Output) -> usize {
        let mut total = 0;
        loop {
            match output.attempt(&[b'x'; ATOMIC]) {
                Ok(count) => total += count,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return total,
                Err(error) => panic!("{error}"),
            }
        }
    }

    #[test]
    fn a_full_pipe_is_not_waited_for() {
        let (mut reader, writer) = io::pipe().unwrap();
        for way in [WriteMethod::Polled, WriteMethod::NonBlocking] {
            let file = match way {
                WriteMethod::NonBlocking => {
                    use std::os::fd::AsRawFd;
                    reopened(&format!("/proc/self/fd/{}", writer.as_raw_fd())).expect("own pipe")
                }
                _ => File::from(writer.as_fd().try_clone_to_owned().unwrap()),
            };
            let output = Output::of(file, way);
            let total = filled(&output);
            assert!(total >= ATOMIC, "{way:?}");
            assert_eq!(
                output.attempt(b"x").unwrap_err().kind(),
                io::ErrorKind::WouldBlock,
                "{way:?}"
            );
            reader.read_exact(&mut vec![0; total]).unwrap();
        }
    }

    #[test]
    fn a_full_socket_is_not_waited_for() {
        let (mut reader, writer) = UnixStream::pair().unwrap();
        let output = Output::of(File::from(OwnedFd::from(writer)), WriteMethod::Socket);
        let total = filled(&output);
        reader.read_exact(&mut vec![0; total]).unwrap();
        assert_eq!(output.attempt(b"x").unwrap(), 1);
    }

    #[test]
    fn files_are_appended_to() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("log");
        for line in ["one\n", "two\n"] {
            assert_eq!(
                Output::file(&path)
                    .unwrap()
                    .attempt(line.as_bytes())
                    .unwrap(),
                4
            );
        }
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "one\ntwo\n");
        let error = Output::file(&directory.path().join("no/log")).unwrap_err();
        assert!(
            error
                .to_string()
                .ends_with("no/log: no such file or directory"),
            "{error}"
        );
    }

    #[test]
    fn pieces_are_whole_lines() {
        assert_eq!(end_of_piece(b"short\nlines\n"), 12);
        let mut bytes = b"x".repeat(ATOMIC - 10);
        bytes.push(b'\n');
        let first = bytes.len();
        bytes.extend(b"y".repeat(100));
        assert_eq!(end_of_piece(&bytes), first);
        assert_eq!(end_of_piece(&b"z".repeat(ATOMIC + 1)), ATOMIC);
    }
}
