//! A file's place in the file system, found without the links of other users: what root opens, makes, replaces or removes there
//! is what root's own directories and links name.
//!
//! A link is followed when no other user can have chosen its target: root owns the link and the directory that it is in. Another
//! user's link may only lead to a file or into a directory of that same user, and by none of the kernel's links (`/proc/PID/fd/7`,
//! `/proc/PID/root`). systemd has the same rule (`CHASE_SAFE`); the kernel's `protected_symlinks` has it for directories like
//! `/tmp` alone. A process without root's rights follows every link.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Component, Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag, open, openat, readlinkat, renameat};
use nix::sys::stat::{FileStat, Mode, SFlag, fstat, fstatat};
use nix::sys::statfs::{PROC_SUPER_MAGIC, fstatfs};
use nix::unistd::{UnlinkatFlags, unlinkat};

use super::identity::effective_user;
use super::{Error, Result, random};

/// As the kernel's own limit (path_resolution(7)).
const MOST_LINKS: usize = 40;

/// How often the last name is looked at again when it changes between two looks.
const MOST_LOOKS: usize = 8;

/// Targets of links that any user may make: what this process has open, or nothing.
const HARMLESS: [&str; 7] = [
    "/dev/null",
    "/dev/stdout",
    "/dev/stderr",
    "/dev/fd/1",
    "/dev/fd/2",
    "/proc/self/fd/1",
    "/proc/self/fd/2",
];

/// What to do with a link at the end of the path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LastLink {
    Followed,
    /// The place is the link's own.
    Kept,
}

/// A name in a directory that is held open: renaming a directory on the path to it has no effect.
#[derive(Debug)]
pub struct DirectoryEntry {
    path: PathBuf,
    directory: OwnedFd,
    name: OsString,
    /// The other user whose link led here; then the file or its directory has to be that user's.
    chosen_by: Option<u32>,
    /// A name in /proc that only the kernel can follow (`/proc/self/fd/1`).
    is_magic: bool,
}

/// A file that was opened for appending.
#[derive(Debug)]
pub struct Appended {
    pub file: File,
    pub ownership: Ownership,
}

/// Whether a file may be given to another user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ownership {
    MayChange,
    /// It was there before, in a directory where others may have put it: what is in it may not be theirs.
    Stays,
}

impl DirectoryEntry {
    /// # Errors
    /// The system's, and that another user's link leads to what is not that user's.
    pub fn find(path: &Path, last: LastLink) -> Result<Self> {
        let place = Walk::begin(path)?.finish(last)?;
        if let Some(user) = place.chosen_by {
            let failed = |error: Errno| Error::new("stat", path.display(), error);
            let directory = fstat(&place.directory).map_err(failed)?;
            let file = place.stat()?;
            if directory.st_uid != user && file.is_none_or(|file| file.st_uid != user) {
                return Err(foreign_link(path, user));
            }
        }
        Ok(place)
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    pub fn directory(&self) -> BorrowedFd<'_> {
        self.directory.as_fd()
    }

    /// Its attributes; `None`: it does not exist. A link is not followed.
    pub fn stat(&self) -> Result<Option<FileStat>> {
        match fstatat(
            &self.directory,
            self.name.as_os_str(),
            AtFlags::AT_SYMLINK_NOFOLLOW,
        ) {
            Ok(found) => Ok(Some(found)),
            Err(Errno::ENOENT) => Ok(None),
            Err(error) => Err(Error::new("stat", self.path.display(), error)),
        }
    }

    /// A descriptor that only names it, and cannot be read or written (`O_PATH`).
    pub fn handle(&self) -> Result<OwnedFd> {
        self.open(OFlag::O_PATH, Mode::empty())
            .map_err(|error| Error::new("open", self.path.display(), error))
    }

    /// Opens a file to read; no link is followed, and a FIFO is not waited for.
    pub fn read(&self) -> Result<File> {
        self.open(OFlag::O_RDONLY | OFlag::O_NONBLOCK, Mode::empty())
            .map(File::from)
            .map_err(|error| Error::new("open", self.path.display(), error))
    }

    /// A new file in the same directory under an unpredictable name.
    pub fn draft(&self, mode: u32) -> Result<(Self, File)> {
        let failed = |error| Error::new("write", self.path.display(), error);
        let mut taken = Errno::EEXIST;
        for _ in 0..MOST_LOOKS {
            // Not longer than the name that it will have may be.
            let name = OsString::from(format!(".rgun-{:016x}", random()));
            let draft = Self {
                path: self.path.clone(),
                directory: self.directory.try_clone().map_err(failed)?,
                name,
                chosen_by: self.chosen_by,
                is_magic: false,
            };
            let flags = OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL;
            match draft.open(flags, Mode::from_bits_truncate(mode)) {
                Ok(file) => return Ok((draft, file.into())),
                Err(Errno::EEXIST) => {}
                Err(error) => {
                    taken = error;
                    break;
                }
            }
        }
        Err(failed(taken.into()))
    }

    /// Replaces `other`, in one step for every reader. Both are in the same directory.
    pub fn replace(&self, other: &Self) -> Result<()> {
        renameat(
            &self.directory,
            self.name.as_os_str(),
            &other.directory,
            other.name.as_os_str(),
        )
        .map_err(|error| Error::new("rename", other.path.display(), error))
    }

    pub fn unlink(&self) -> Result<()> {
        unlinkat(
            &self.directory,
            self.name.as_os_str(),
            UnlinkatFlags::NoRemoveDir,
        )
        .map_err(|error| Error::new("unlink", self.path.display(), error))
    }

    fn open(&self, flags: OFlag, mode: Mode) -> nix::Result<OwnedFd> {
        let links = if self.is_magic {
            OFlag::empty()
        } else {
            OFlag::O_NOFOLLOW
        };
        let always = OFlag::O_CLOEXEC | OFlag::O_NOCTTY | links;
        openat(&self.directory, self.name.as_os_str(), flags | always, mode)
    }
}

/// Opens a file for appending, and creates it if it does not exist. A FIFO without a reader is rejected instead of waited for.
///
/// # Errors
/// The system's; that another user's link leads to what is not that user's; that another user has linked a file there which is
/// not that user's (a hard link).
pub fn append(path: &Path, mode: u32) -> Result<Appended> {
    let failed = |error: Errno| Error::new("open", path.display(), error);
    let flags = OFlag::O_WRONLY | OFlag::O_APPEND | OFlag::O_NONBLOCK;
    let mode = Mode::from_bits_truncate(mode);
    let mut last = Errno::ELOOP;
    for _ in 0..MOST_LOOKS {
        let place = DirectoryEntry::find(path, LastLink::Followed)?;
        if !place.is_magic {
            match place.open(flags | OFlag::O_CREAT | OFlag::O_EXCL, mode) {
                Ok(file) => {
                    return Ok(Appended {
                        file: file.into(),
                        ownership: Ownership::MayChange,
                    });
                }
                Err(Errno::EEXIST) => {}
                Err(error) => return Err(failed(error)),
            }
        }
        match place.open(flags, mode) {
            Ok(file) => return existing(&place, file),
            // A link was put there, or the file removed, since we looked.
            Err(error @ (Errno::ELOOP | Errno::ENOENT)) => last = error,
            Err(error) => return Err(failed(error)),
        }
    }
    Err(failed(last))
}

/// Opens a file to read, without waiting for the writer of a FIFO: the caller checks the type of what was opened.
///
/// # Errors
/// As of `append`.
pub fn read(path: &Path) -> Result<File> {
    let place = DirectoryEntry::find(path, LastLink::Followed)?;
    let file = place.read()?;
    check(&place, file.as_fd())?;
    Ok(file)
}

fn existing(place: &DirectoryEntry, file: OwnedFd) -> Result<Appended> {
    let ExistingFile {
        found,
        writers,
        is_owners,
    } = check(place, file.as_fd())?;
    // An empty file has nothing in it that the new owner should not read, and the directory's owner may have put in their own.
    let is_suspect = writers == Writers::Others && !is_owners && found.st_size > 0;
    let ownership = if is_guarded() && is_suspect {
        Ownership::Stays
    } else {
        Ownership::MayChange
    };
    Ok(Appended {
        file: file.into(),
        ownership,
    })
}

/// A file that was there before.
struct ExistingFile {
    found: FileStat,
    writers: Writers,
    /// The owner of its directory owns it, and is not root.
    is_owners: bool,
}

/// What was found may have been replaced before it was opened.
fn check(place: &DirectoryEntry, file: BorrowedFd<'_>) -> Result<ExistingFile> {
    let failed = |error: Errno| Error::new("stat", place.path.display(), error);
    let found = fstat(file).map_err(failed)?;
    let directory = fstat(&place.directory).map_err(failed)?;
    if let Some(user) = place.chosen_by
        && ![found.st_uid, directory.st_uid].contains(&user)
    {
        return Err(foreign_link(&place.path, user));
    }
    let writers = Writers::of(&directory);
    let is_owners = directory.st_uid != 0 && found.st_uid == directory.st_uid;
    if kind(&found) == SFlag::S_IFREG
        && found.st_nlink > 1
        && is_guarded()
        && writers != Writers::Root
        && !is_owners
    {
        let reason = io::Error::other("the file has another name (a hard link)");
        return Err(Error::new("open", place.path.display(), reason)
            .with_hint("remove it, or name a file in a directory that only root can write to"));
    }
    Ok(ExistingFile {
        found,
        writers,
        is_owners,
    })
}

/// Whether this process has rights that another user could borrow by a link.
fn is_guarded() -> bool {
    effective_user() == 0
}

/// The users that can change which names a directory has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Writers {
    Root,
    /// Others can add names (the sticky bit keeps them from moving those of root).
    RootAndNewNames,
    Others,
}

impl Writers {
    fn of(directory: &FileStat) -> Self {
        let is_open = directory.st_mode & (libc::S_IWGRP | libc::S_IWOTH) != 0;
        let is_sticky = directory.st_mode & libc::S_ISVTX != 0;
        match (directory.st_uid, is_open, is_sticky) {
            (0, false, _) => Self::Root,
            (0, true, true) => Self::RootAndNewNames,
            _ => Self::Others,
        }
    }
}

fn kind(found: &FileStat) -> SFlag {
    SFlag::from_bits_truncate(found.st_mode) & SFlag::S_IFMT
}

fn foreign_link(path: &Path, user: u32) -> Error {
    let reason = io::Error::other(format!(
        "a symbolic link on the way, made by user {user}, leads to what is not that user's"
    ));
    Error::new("open", path.display(), reason)
        .with_hint("name the real path, or let root own the link and the directory that it is in")
}

/// The way along a path, a name at a time.
struct Walk<'a> {
    path: &'a Path,
    directory: OwnedFd,
    rest: VecDeque<OsString>,
    chosen_by: Option<u32>,
    links: usize,
}

impl<'a> Walk<'a> {
    fn begin(path: &'a Path) -> Result<Self> {
        Ok(Self {
            path,
            directory: start_of(path).map_err(|error| failed(path, error))?,
            rest: names(path),
            chosen_by: None,
            links: 0,
        })
    }

    fn finish(mut self, last: LastLink) -> Result<DirectoryEntry> {
        loop {
            let Some(name) = self.rest.pop_front() else {
                return Err(failed(self.path, Errno::EISDIR));
            };
            let is_last = self.rest.is_empty();
            if is_last && last == LastLink::Kept {
                return Ok(self.place(name, false));
            }
            let flags = OFlag::O_PATH | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
            let next = match openat(&self.directory, name.as_os_str(), flags, Mode::empty()) {
                Err(Errno::ENOENT) if is_last => return Ok(self.place(name, false)),
                other => other.map_err(|error| failed(self.path, error))?,
            };
            let found = fstat(&next).map_err(|error| failed(self.path, error))?;
            match kind(&found) {
                SFlag::S_IFLNK if is_in_proc(&next) => {
                    // What a process has open, its root directory: the kernel knows where that is, in a mount namespace of that process,
                    // where its user chooses what each name stands for.
                    if let Some(user) = self.chosen_by {
                        return Err(foreign_link(self.path, user));
                    }
                    if is_last {
                        return Ok(self.place(name, true));
                    }
                    let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
                    self.directory =
                        openat(&self.directory, name.as_os_str(), flags, Mode::empty())
                            .map_err(|error| failed(self.path, error))?;
                }
                SFlag::S_IFLNK => self.follow(&next, &found)?,
                _ if is_last => return Ok(self.place(name, false)),
                SFlag::S_IFDIR => self.directory = next,
                _ => return Err(failed(self.path, Errno::ENOTDIR)),
            }
        }
    }

    fn place(self, name: OsString, is_magic: bool) -> DirectoryEntry {
        DirectoryEntry {
            path: self.path.to_owned(),
            directory: self.directory,
            name,
            chosen_by: self.chosen_by,
            is_magic,
        }
    }

    fn follow(&mut self, link: &OwnedFd, found: &FileStat) -> Result<()> {
        let failed = |error| failed(self.path, error);
        self.links += 1;
        if self.links > MOST_LINKS {
            return Err(failed(Errno::ELOOP));
        }
        let target = PathBuf::from(readlinkat(link, "").map_err(failed)?);
        let directory = fstat(&self.directory).map_err(failed)?;
        if HARMLESS.iter().any(|one| target == Path::new(one)) {
            self.chosen_by = None;
        } else if is_guarded() && self.chosen_by.is_none() {
            let owners = [found.st_uid, directory.st_uid];
            self.chosen_by = owners.into_iter().find(|owner| *owner != 0);
        }
        if target.is_absolute() {
            self.directory = start_of(&target).map_err(failed)?;
        }
        for name in names(&target).into_iter().rev() {
            self.rest.push_front(name);
        }
        Ok(())
    }
}

fn start_of(path: &Path) -> nix::Result<OwnedFd> {
    let start = if path.is_absolute() { "/" } else { "." };
    let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
    open(start, flags, Mode::empty())
}

fn names(path: &Path) -> VecDeque<OsString> {
    let components = path.components();
    let names = components.filter_map(|one| match one {
        Component::Normal(name) => Some(name.to_owned()),
        Component::ParentDir => Some("..".into()),
        Component::RootDir | Component::CurDir | Component::Prefix(_) => None,
    });
    names.collect()
}

fn is_in_proc(file: &OwnedFd) -> bool {
    fstatfs(file).is_ok_and(|found| found.filesystem_type() == PROC_SUPER_MAGIC)
}

fn failed(path: &Path, error: Errno) -> Error {
    Error::new("open", path.display(), error)
}

#[cfg(test)]
mod tests;
