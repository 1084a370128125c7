//! Temporary files of a worker for large uploads and for output to slow clients, and the bounds on their size.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use super::memory_budget::{BudgetShare, MemoryBudget};
use crate::ipc::Page;
use crate::sys;

/// All files of a worker together may be this many times as large as one.
const FILES: u64 = 16;

/// Creates these files; one per worker.
#[derive(Debug)]
pub struct Spool {
    directory: PathBuf,
    /// Maximum size of one file, in bytes.
    largest: u64,
    /// Maximum size of all files, in bytes.
    budget: Arc<MemoryBudget>,
    page: Page,
    logged: AtomicBool,
}

/// An unnamed file, which is deleted when the value is dropped.
#[derive(Debug)]
pub struct SpoolFile {
    file: File,
    length: u64,
    share: BudgetShare,
    spool: Arc<Spool>,
}

/// Why bytes were not written to a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotSpooled {
    /// The file, or all files of this worker, have reached the bound.
    Bound,
    /// There is no space on the device.
    DiskFull,
    /// Files cannot be created or written there.
    Unusable,
}

impl Spool {
    /// The directory is chosen once, while the process has one thread: the app may change its environment later. A
    /// configured directory that is unusable for this user is reported now, not at the first large upload.
    pub fn new(named: Option<&Path>, largest: u64, page: Page) -> Arc<Self> {
        let most = usize::try_from(largest.saturating_mul(FILES)).unwrap_or(usize::MAX);
        let spool = Self {
            directory: named.map_or_else(sys::temporary_directory, Path::to_owned),
            largest,
            budget: Arc::new(MemoryBudget::new(most)),
            page,
            logged: AtomicBool::new(false),
        };
        if named.is_some()
            && largest > 0
            && let Err(error) = sys::unnamed_file(&spool.directory)
        {
            spool.failed(&error);
        }
        Arc::new(spool)
    }

    /// Maximum size of one file, in bytes.
    pub fn largest(&self) -> u64 {
        self.largest
    }

    /// A new file with room for at least `length` bytes.
    pub fn file(self: &Arc<Self>, length: usize) -> Result<SpoolFile, NotSpooled> {
        if length as u64 > self.largest {
            return Err(NotSpooled::Bound);
        }
        let share = self.budget.take(length).ok_or(NotSpooled::Bound)?;
        let file = sys::unnamed_file(&self.directory).map_err(|error| self.failed(&error))?;
        Ok(SpoolFile {
            file,
            length: 0,
            share,
            spool: self.clone(),
        })
    }

    /// Counts a failure, and logs the first one.
    fn failed(&self, error: &io::Error) -> NotSpooled {
        self.page.spool_failed();
        if !self.logged.swap(true, Relaxed) {
            let directory = self.directory.display();
            tracing::warn!(%error, %directory, "no temporary files: large uploads and slow readers of large responses occupy threads; see --worker-tmp-dir");
        }
        match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => NotSpooled::DiskFull,
            _ => NotSpooled::Unusable,
        }
    }
}

impl SpoolFile {
    /// All of the pieces or none: what a full disk took of them is overwritten or never read.
    pub fn append(&mut self, pieces: &[&[u8]]) -> Result<(), NotSpooled> {
        let more: usize = pieces.iter().map(|piece| piece.len()).sum();
        let after = self.length + more as u64;
        if after > self.spool.largest {
            return Err(NotSpooled::Bound);
        }
        let missing = usize::try_from(after).unwrap_or(usize::MAX);
        if !self.share.reach(missing) {
            return Err(NotSpooled::Bound);
        }
        let mut end = self.length;
        for piece in pieces {
            self.file
                .write_all_at(piece, end)
                .map_err(|error| self.spool.failed(&error))?;
            end += piece.len() as u64;
        }
        self.length = end;
        Ok(())
    }

    /// In bytes.
    pub fn length(&self) -> u64 {
        self.length
    }

    pub fn is_full(&self) -> bool {
        self.length >= self.spool.largest
    }

    pub fn file(&self) -> &File {
        &self.file
    }

    pub fn read_at(&self, into: &mut [u8], offset: u64) -> io::Result<usize> {
        self.file.read_at(into, offset)
    }
}

/// For tests: a separate one.
#[cfg(test)]
pub fn of_size(largest: u64) -> Arc<Spool> {
    let pages = crate::ipc::Scoreboard::create(1).expect("a scoreboard");
    let page = pages.acquire(0, 1).expect("a page");
    Spool::new(None, largest, page)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_takes_all_of_something_or_nothing_and_no_more_than_its_bound() {
        let mut file = of_size(10).file(1).expect("a file");
        assert_eq!(file.append(&[b"abc", b"de"]), Ok(()));
        assert_eq!(file.append(&[b"abc", b"def"]), Err(NotSpooled::Bound));
        assert!(file.length() == 5 && !file.is_full());
        assert_eq!(file.append(&[b"fghij"]), Ok(()));
        assert!(file.is_full());
        let mut found = [0; 10];
        assert_eq!(file.read_at(&mut found, 0).expect("readable"), 10);
        assert_eq!(&found, b"abcdefghij");
    }

    #[test]
    fn all_files_of_a_worker_have_a_bound_too() {
        let spool = of_size(10);
        assert_eq!(spool.file(11).err(), Some(NotSpooled::Bound));
        let mut files: Vec<_> = (0..FILES).map(|_| spool.file(10).expect("room")).collect();
        assert_eq!(spool.file(1).err(), Some(NotSpooled::Bound));
        files.pop();
        let mut file = spool.file(1).expect("room again");
        assert_eq!(file.append(&[&[0; 10]]), Ok(()));
        assert_eq!(spool.file(1).err(), Some(NotSpooled::Bound));
    }

    #[test]
    fn without_a_limit_on_files_there_are_none() {
        assert_eq!(of_size(0).file(1).err(), Some(NotSpooled::Bound));
    }
}
