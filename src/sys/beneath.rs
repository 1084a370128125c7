//! Opens regular files below a directory: symbolic links that lead out of it are not followed, and nothing here blocks on a FIFO.

use std::collections::VecDeque;
use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, OFlag, OpenHow, ResolveFlag, openat, openat2, readlinkat};
use nix::sys::stat::Mode;

/// As many symbolic links as the kernel follows in one path (path_resolution(7)).
const MOST_LINKS: usize = 40;
/// How often a resolution is retried while another process renames directories (openat2(2), EAGAIN).
const TRIES: usize = 8;

/// `O_NONBLOCK`: a FIFO without a writer opens at once, and is then recognised by its type.
const READ: OFlag = OFlag::O_RDONLY
    .union(OFlag::O_CLOEXEC)
    .union(OFlag::O_NONBLOCK)
    .union(OFlag::O_NOCTTY);
const BENEATH: ResolveFlag = ResolveFlag::RESOLVE_BENEATH.union(ResolveFlag::RESOLVE_NO_MAGICLINKS);
const DIRECTORY: OFlag = OFlag::O_PATH
    .union(OFlag::O_DIRECTORY)
    .union(OFlag::O_CLOEXEC);

/// Further errors for a name that does not lead to a file: too many links, a socket.
pub const ELOOP: i32 = libc::ELOOP;
pub const ENXIO: i32 = libc::ENXIO;

/// Whether the caller may wait for a disk or for another machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Patience {
    Blocking,
    /// What is not in the kernel's caches is `WouldBlock`.
    CachedOnly,
}

/// A directory by its path, which is looked up for each file: a deploy may replace a symbolic link in it at any time.
#[derive(Debug, Clone)]
pub struct Directory {
    path: PathBuf,
}

/// What was found under a name.
#[derive(Debug)]
pub enum OpenedEntry {
    File {
        file: File,
        facts: FileAttributes,
    },
    Directory,
    /// A device, a FIFO, a socket.
    Other,
}

/// Attributes of an open file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileAttributes {
    pub inode: u64,
    /// In bytes.
    pub size: u64,
    /// Seconds since 1970, and nanoseconds.
    pub modified: (i64, u32),
}

impl Directory {
    /// Looks it up at the next `open`.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// `name` is relative, with single slashes, and empty for the directory itself. A path that leads out of the directory fails
    /// with `CrossesDevices`, the kernel's error for it.
    pub fn open(&self, name: &[u8], patience: Patience) -> io::Result<OpenedEntry> {
        if patience == Patience::CachedOnly {
            return found(self.open_cached(name)?);
        }
        let root = nix::fcntl::open(&self.path, DIRECTORY, Mode::empty())?;
        found(resolve(root.as_fd(), name)?)
    }

    fn open_cached(&self, name: &[u8]) -> io::Result<OwnedFd> {
        let cached = ResolveFlag::from_bits_retain(libc::RESOLVE_CACHED);
        let root = OpenHow::new().flags(DIRECTORY).resolve(cached);
        let root = openat2(AT_FDCWD, &self.path, root).map_err(unknown)?;
        let path = if name.is_empty() { b"." } else { name };
        let how = OpenHow::new().flags(READ).resolve(BENEATH | cached);
        openat2(root, OsStr::from_bytes(path), how).map_err(unknown)
    }

    /// As `open`, without the help of newer kernels.
    pub fn open_by_steps(&self, name: &[u8]) -> io::Result<OpenedEntry> {
        let root = nix::fcntl::open(&self.path, DIRECTORY, Mode::empty())?;
        found(walk(root.as_fd(), name)?)
    }
}

pub fn facts(file: &File) -> io::Result<FileAttributes> {
    let metadata = file.metadata()?;
    Ok(FileAttributes {
        inode: metadata.ino(),
        size: metadata.size(),
        modified: (
            metadata.mtime(),
            u32::try_from(metadata.mtime_nsec()).unwrap_or(0),
        ),
    })
}

/// EAGAIN: it is not cached. The others: Linux before 5.12, or a sandbox that rejects the call.
fn unknown(error: Errno) -> io::Error {
    match error {
        Errno::EAGAIN | Errno::EINVAL | Errno::ENOSYS | Errno::EPERM => {
            io::ErrorKind::WouldBlock.into()
        }
        error => error.into(),
    }
}

/// The first `size` bytes of a file, which must be there.
pub fn read(file: &File, size: u64, patience: Patience) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; usize::try_from(size).map_err(io::Error::other)?];
    if patience == Patience::Blocking {
        std::os::unix::fs::FileExt::read_exact_at(file, &mut bytes, 0)?;
        return Ok(bytes);
    }
    if read_cached(file, &mut bytes) == Some(bytes.len()) {
        Ok(bytes)
    } else {
        Err(io::ErrorKind::WouldBlock.into())
    }
}

/// Reads the beginning of a file, as far as that is in memory; `None`: it is not, or the file system does not support `RWF_NOWAIT`.
pub fn read_cached(file: &File, bytes: &mut [u8]) -> Option<usize> {
    let slice = libc::iovec {
        iov_base: bytes.as_mut_ptr().cast(),
        iov_len: bytes.len(),
    };
    // SAFETY: `slice` is the whole of `bytes`, which lives until the call has returned.
    let count =
        unsafe { libc::preadv2(file.as_raw_fd(), &raw const slice, 1, 0, libc::RWF_NOWAIT) };
    usize::try_from(count).ok()
}

fn found(fd: OwnedFd) -> io::Result<OpenedEntry> {
    let file = File::from(fd);
    let kind = file.metadata()?.file_type();
    Ok(if kind.is_file() {
        let facts = facts(&file)?;
        OpenedEntry::File { file, facts }
    } else if kind.is_dir() {
        OpenedEntry::Directory
    } else {
        OpenedEntry::Other
    })
}

fn resolve(root: BorrowedFd<'_>, name: &[u8]) -> io::Result<OwnedFd> {
    let path = if name.is_empty() { b"." } else { name };
    let how = OpenHow::new().flags(READ).resolve(BENEATH);
    for _ in 0..TRIES {
        match openat2(root, OsStr::from_bytes(path), how) {
            Err(Errno::EAGAIN) => {}
            // Linux before 5.6, or a sandbox that rejects the call.
            Err(Errno::ENOSYS | Errno::EPERM) => return walk(root, name),
            result => return result.map_err(io::Error::from),
        }
    }
    Err(Errno::EAGAIN.into())
}

/// The same, one name at a time: each is opened without following it, and links are read and followed here.
fn walk(root: BorrowedFd<'_>, name: &[u8]) -> io::Result<OwnedFd> {
    let mut names = VecDeque::new();
    prepend(&mut names, name);
    // The directories on the way from the root; empty: the root itself.
    let mut way: Vec<OwnedFd> = Vec::new();
    let mut links = 0;
    while let Some(name) = names.pop_front() {
        if name == ".." {
            way.pop().ok_or(Errno::EXDEV)?;
            continue;
        }
        if name == "." && !names.is_empty() {
            // What is before it was opened as a directory already.
            continue;
        }
        let here = way.last().map_or(root, AsFd::as_fd);
        let flags = if names.is_empty() { READ } else { DIRECTORY };
        let refused = match openat(
            here,
            Path::new(&name),
            flags | OFlag::O_NOFOLLOW,
            Mode::empty(),
        ) {
            Ok(fd) if names.is_empty() => return Ok(fd),
            Ok(fd) => {
                way.push(fd);
                continue;
            }
            // A link, or with `O_DIRECTORY` perhaps an ordinary file.
            Err(refused @ (Errno::ELOOP | Errno::ENOTDIR)) => refused,
            Err(other) => return Err(other.into()),
        };
        let target = match readlinkat(here, Path::new(&name)) {
            Ok(target) => target,
            Err(Errno::EINVAL) => return Err(refused.into()),
            Err(other) => return Err(other.into()),
        };
        links += 1;
        if links > MOST_LINKS {
            return Err(Errno::ELOOP.into());
        }
        if target.as_bytes().starts_with(b"/") {
            return Err(Errno::EXDEV.into());
        }
        if target.as_bytes().ends_with(b"/") {
            // Only a directory may be meant.
            names.push_front(".".into());
        }
        prepend(&mut names, target.as_bytes());
    }
    let here = way.last().map_or(root, AsFd::as_fd);
    Ok(openat(here, Path::new("."), READ, Mode::empty())?)
}

/// Puts the names of `path` in front; a dot stays only where it is the last name.
fn prepend(names: &mut VecDeque<std::ffi::OsString>, path: &[u8]) {
    let parts: Vec<_> = path
        .split(|&byte| byte == b'/')
        .filter(|part| !matches!(*part, b"" | b"."))
        .collect();
    for part in parts.into_iter().rev() {
        names.push_front(OsStr::from_bytes(part).to_owned());
    }
}
