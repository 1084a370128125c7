//! A file in memory that a process writes to when it can do little else, read by its parent.

use std::ffi::CStr;
use std::fs::File;
use std::io::{Seek, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::os::unix::fs::FileExt;

use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::sys::memfd::{MFdFlags, memfd_create};

use super::{Error, Result};

/// More than that is not read.
const LONGEST: usize = 1 << 20;

/// Each process that has it appends, also after it was emptied. Close-on-exec.
#[derive(Debug)]
pub struct MemFile {
    file: File,
}

impl MemFile {
    pub fn new(name: &CStr) -> Result<Self> {
        let object = name.to_string_lossy();
        let fd = memfd_create(name, MFdFlags::MFD_CLOEXEC)
            .map_err(|e| Error::new("memfd_create", &object, e))?;
        fcntl(&fd, FcntlArg::F_SETFL(OFlag::O_APPEND))
            .map_err(|e| Error::new("fcntl", &object, e))?;
        Ok(Self { file: fd.into() })
    }

    /// One that has these bytes in it, for a reader that begins at its start.
    ///
    /// # Errors
    /// The system's: there is no memory for it, or no descriptor.
    pub fn holding(name: &CStr, parts: &[&[u8]]) -> Result<Self> {
        let mut mem_file = Self::new(name)?;
        for part in parts {
            mem_file
                .file
                .write_all(part)
                .map_err(|e| Error::new("write", name.to_string_lossy(), e))?;
        }
        mem_file
            .file
            .rewind()
            .map_err(|e| Error::new("lseek", name.to_string_lossy(), e))?;
        Ok(mem_file)
    }

    /// The same file under another descriptor.
    pub fn again(&self) -> Result<Self> {
        let file = self
            .file
            .try_clone()
            .map_err(|e| Error::new("dup", "scratch file", e))?;
        Ok(Self { file })
    }

    /// Appends.
    pub fn writer(&self) -> impl Write + '_ {
        &self.file
    }

    pub fn clear(&self) {
        // It fails only when the system has no resources left; the old contents are then read again.
        drop(self.file.set_len(0));
    }

    /// In bytes.
    pub fn len(&self) -> u64 {
        self.file.metadata().map_or(0, |found| found.len())
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub fn read(&self) -> String {
        let length = usize::try_from(self.len()).unwrap_or(LONGEST).min(LONGEST);
        let mut bytes = vec![0; length];
        let count = self.file.read_at(&mut bytes, 0).unwrap_or(0);
        bytes.truncate(count);
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

impl AsFd for MemFile {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

impl AsRawFd for MemFile {
    fn as_raw_fd(&self) -> RawFd {
        self.file.as_raw_fd()
    }
}

impl From<OwnedFd> for MemFile {
    fn from(fd: OwnedFd) -> Self {
        Self { file: fd.into() }
    }
}

impl From<MemFile> for OwnedFd {
    fn from(mem_file: MemFile) -> Self {
        mem_file.file.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn after_it_was_emptied_writers_begin_at_its_start() {
        let ours = MemFile::new(c"rgun-test").expect("memory");
        let theirs = ours.again().expect("a descriptor");
        let mut file = &theirs.file;
        file.write_all(b"first").expect("memory");
        assert_eq!(ours.read(), "first");
        ours.clear();
        assert!(ours.is_empty());
        file.write_all(b"second").expect("memory");
        assert_eq!(ours.read(), "second");
    }
}
