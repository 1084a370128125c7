//! Watched directories, and the system's events in them. Without inotify (`poll`, or no watches left) all are checked in turn.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::{Path, PathBuf};

use crate::sys::inotify::{Change, EntryKind, Inotify, WatchId};

/// Watches directories, if inotify is open.
#[derive(Debug, Default)]
pub struct DirectoryWatcher {
    inotify: Option<Inotify>,
    directories: BTreeMap<WatchId, PathBuf>,
    marks: BTreeMap<PathBuf, WatchId>,
}

/// An event, as a place to check.
#[derive(Debug, PartialEq, Eq)]
pub enum WatchEvent {
    /// A file in it.
    Entry {
        directory: PathBuf,
        name: OsString,
    },
    /// A directory in it, or it itself.
    Directory {
        directory: PathBuf,
    },
    Anything,
}

impl DirectoryWatcher {
    pub fn closed() -> Self {
        Self::default()
    }

    /// Closed, with a warning in the log, if the system refuses.
    pub fn open() -> Self {
        match Inotify::open() {
            Ok(inotify) => Self {
                inotify: Some(inotify),
                ..Self::default()
            },
            Err(error) => {
                tracing::warn!(%error, "no inotify events, polling files instead");
                Self::default()
            }
        }
    }

    pub fn is_open(&self) -> bool {
        self.inotify.is_some()
    }

    pub fn name(&self) -> &'static str {
        if self.is_open() { "inotify" } else { "poll" }
    }

    pub fn as_fd(&self) -> Option<BorrowedFd<'_>> {
        self.inotify.as_ref().map(AsFd::as_fd)
    }

    /// To be called before the directory is checked, so that nothing is missed in between. A second call is harmless.
    pub fn watch(&mut self, directory: &Path) {
        let Some(inotify) = &self.inotify else {
            return;
        };
        if self.marks.contains_key(directory) {
            return;
        }
        match inotify.watch(directory) {
            Ok(mark) => {
                self.directories.insert(mark, directory.to_owned());
                self.marks.insert(directory.to_owned(), mark);
            }
            // It is gone, or this user may not read it.
            Err(error)
                if matches!(
                    error.kind(),
                    std::io::ErrorKind::NotFound
                        | std::io::ErrorKind::NotADirectory
                        | std::io::ErrorKind::PermissionDenied
                ) => {}
            Err(error) => {
                tracing::warn!(
                    %error,
                    hint = "sysctl fs.inotify.max_user_watches",
                    "no inotify events, polling files instead"
                );
                *self = Self::default();
            }
        }
    }

    /// The directory is gone, and all below it: another one may take its place.
    pub fn forget(&mut self, directory: &Path) {
        self.directories
            .retain(|_, path| !path.starts_with(directory));
        self.marks.retain(|path, _| !path.starts_with(directory));
    }

    pub fn see(&mut self) -> crate::sys::Result<Vec<WatchEvent>> {
        let mut sights = Vec::new();
        let Some(inotify) = &self.inotify else {
            return Ok(sights);
        };
        loop {
            let changes = inotify.read()?;
            if changes.is_empty() {
                return Ok(sights);
            }
            for change in changes {
                match change {
                    Change::Lost => sights.push(WatchEvent::Anything),
                    Change::Entry { mark, name, kind } => {
                        if let Some(directory) = self.directories.get(&mark).cloned() {
                            sights.push(match kind {
                                EntryKind::Directory => WatchEvent::Directory { directory },
                                EntryKind::Other => WatchEvent::Entry { directory, name },
                            });
                        }
                    }
                    Change::Gone { mark } | Change::Forgotten { mark } => {
                        if let Some(directory) = self.directories.remove(&mark) {
                            self.marks.remove(&directory);
                            sights.push(WatchEvent::Directory { directory });
                        }
                    }
                }
            }
        }
    }
}
