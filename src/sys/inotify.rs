//! inotify(7): notifications of changes in directories.

use std::ffi::OsString;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;

use nix::errno::Errno;
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify as Raw};

use super::{Error, Result};

/// The events of a watched directory. Creation, renames and removal, but also writes and attributes: an editor may keep a file
/// open, and `touch` only sets a time.
const CHANGES: AddWatchFlags = AddWatchFlags::IN_CLOSE_WRITE
    .union(AddWatchFlags::IN_MODIFY)
    .union(AddWatchFlags::IN_ATTRIB)
    .union(AddWatchFlags::IN_CREATE)
    .union(AddWatchFlags::IN_DELETE)
    .union(AddWatchFlags::IN_MOVED_FROM)
    .union(AddWatchFlags::IN_MOVED_TO)
    .union(AddWatchFlags::IN_DELETE_SELF)
    .union(AddWatchFlags::IN_MOVE_SELF)
    .union(AddWatchFlags::IN_ONLYDIR);

/// Names a watched directory. Watching the same one again gives the same mark.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct WatchId(i32);

/// What has happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// To an entry of the directory.
    Entry {
        mark: WatchId,
        name: OsString,
        kind: EntryKind,
    },
    /// The directory itself was removed or renamed.
    Gone { mark: WatchId },
    /// The mark is no longer valid.
    Forgotten { mark: WatchId },
    /// The queue has overflowed: anything may have changed.
    Lost,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EntryKind {
    Directory,
    Other,
}

#[derive(Debug)]
pub struct Inotify(Raw);

impl Inotify {
    pub fn open() -> Result<Self> {
        let flags = InitFlags::IN_CLOEXEC | InitFlags::IN_NONBLOCK;
        Raw::init(flags)
            .map(Self)
            .map_err(|e| Error::new("inotify_init", "", e))
    }

    /// # Errors
    /// The system's; `ENOSPC`: the user has as many watches as the system allows.
    pub fn watch(&self, directory: &Path) -> Result<WatchId> {
        self.0
            .add_watch(directory, CHANGES)
            .map(|mark| WatchId(mark.as_raw()))
            .map_err(|e| Error::new("inotify_add_watch", directory.display(), e))
    }

    /// The changes that were not read yet, without waiting; a part of them, if there are many. Empty: none.
    pub fn read(&self) -> Result<Vec<Change>> {
        loop {
            match self.0.read_events() {
                Ok(events) => {
                    return Ok(events
                        .into_iter()
                        .filter_map(|event| {
                            let mark = WatchId(event.wd.as_raw());
                            change(mark, event.mask, event.name)
                        })
                        .collect());
                }
                Err(Errno::EAGAIN) => return Ok(Vec::new()),
                Err(Errno::EINTR) => {}
                Err(e) => return Err(Error::new("read", "inotify", e)),
            }
        }
    }
}

impl AsFd for Inotify {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

fn change(mark: WatchId, mask: AddWatchFlags, name: Option<OsString>) -> Option<Change> {
    if mask.contains(AddWatchFlags::IN_Q_OVERFLOW) {
        return Some(Change::Lost);
    }
    if mask.contains(AddWatchFlags::IN_IGNORED) {
        return Some(Change::Forgotten { mark });
    }
    if mask.intersects(AddWatchFlags::IN_DELETE_SELF | AddWatchFlags::IN_MOVE_SELF) {
        return Some(Change::Gone { mark });
    }
    let kind = if mask.contains(AddWatchFlags::IN_ISDIR) {
        EntryKind::Directory
    } else {
        EntryKind::Other
    };
    // Without a name it is about the directory's own attributes.
    name.map(|name| Change::Entry { mark, name, kind })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_what_changes_in_a_directory_and_that_it_is_gone() {
        let place = tempfile::tempdir().expect("a directory");
        let directory = place.path().join("watched");
        std::fs::create_dir(&directory).expect("mkdir");
        let inotify = Inotify::open().expect("inotify");
        let mark = inotify.watch(&directory).expect("a watch");
        assert_eq!(inotify.watch(&directory).expect("a watch"), mark);
        assert_eq!(inotify.read().expect("read"), []);
        std::fs::write(directory.join("a.py"), "1").expect("write");
        std::fs::create_dir(directory.join("b")).expect("mkdir");
        let changes = inotify.read().expect("read");
        for (name, kind) in [("a.py", EntryKind::Other), ("b", EntryKind::Directory)] {
            let name = name.into();
            assert!(
                changes.contains(&Change::Entry { mark, name, kind }),
                "{changes:?}"
            );
        }
        std::fs::remove_dir_all(&directory).expect("rm");
        let changes = inotify.read().expect("read");
        assert!(changes.contains(&Change::Gone { mark }), "{changes:?}");
        assert!(changes.contains(&Change::Forgotten { mark }), "{changes:?}");
        assert!(inotify.watch(&directory).is_err());
    }
}
