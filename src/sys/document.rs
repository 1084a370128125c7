//! Bytes in memory that one process replaces as a whole and its children read.

use std::ffi::CStr;
use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::os::unix::fs::FileExt;
use std::time::Duration;

use nix::sys::memfd::{MFdFlags, memfd_create};

use super::clock::monotonic;
use super::{Error, Result};

/// Sequence number and length, in front of the bytes.
const HEADER: u64 = 16;
/// A reader that finds a write in progress for so long assumes that the writer died.
const PATIENCE: Duration = Duration::from_secs(1);
const LONGEST: u64 = 64 << 20;

/// A memfd (close-on-exec) that children inherit. Nothing of it reaches a disk.
#[derive(Debug)]
pub struct Document {
    file: File,
}

impl Document {
    /// Empty.
    pub fn new(name: &CStr) -> Result<Self> {
        let object = name.to_string_lossy();
        let fd = memfd_create(name, MFdFlags::MFD_CLOEXEC)
            .map_err(|e| Error::new("memfd_create", &object, e))?;
        let document = Self { file: fd.into() };
        document.replace(&[])?;
        Ok(document)
    }

    /// The one that another program writes no more.
    pub fn adopt(fd: OwnedFd) -> Self {
        Self { file: fd.into() }
    }

    /// The same bytes under another descriptor.
    pub fn again(&self) -> Result<Self> {
        let file = self.file.try_clone();
        let file = file.map_err(|e| Error::new("dup", "document", e))?;
        Ok(Self { file })
    }

    /// Only for the one process that writes.
    pub fn replace(&self, bytes: &[u8]) -> Result<()> {
        self.try_replace(bytes)
            .map_err(|e| Error::new("write", "document", e))
    }

    fn try_replace(&self, bytes: &[u8]) -> io::Result<()> {
        // Odd while the bytes change.
        let sequence = if self.file.metadata()?.len() < HEADER {
            0
        } else {
            self.word(0)? & !1
        };
        self.file.write_all_at(&(sequence + 1).to_ne_bytes(), 0)?;
        self.file
            .write_all_at(&(bytes.len() as u64).to_ne_bytes(), 8)?;
        // Removes what was longer.
        self.file.set_len(HEADER)?;
        self.file.write_all_at(bytes, HEADER)?;
        self.file.write_all_at(&(sequence + 2).to_ne_bytes(), 0)
    }

    /// # Errors
    /// Also when its writer died in the middle.
    pub fn read(&self) -> Result<Vec<u8>> {
        let until = monotonic() + PATIENCE;
        loop {
            match self.try_read() {
                Ok(Some(bytes)) => return Ok(bytes),
                Ok(None) if monotonic() >= until => {
                    let incomplete = io::Error::other("its writer did not complete it");
                    return Err(Error::new("read", "document", incomplete));
                }
                Ok(None) => std::thread::yield_now(),
                Err(e) => return Err(Error::new("read", "document", e)),
            }
        }
    }

    /// `None`: it is being replaced.
    fn try_read(&self) -> io::Result<Option<Vec<u8>>> {
        let before = self.word(0)?;
        let length = self.word(8)?;
        if before % 2 == 1 || length > LONGEST {
            return Ok(None);
        }
        let mut bytes = vec![0; usize::try_from(length).unwrap_or(0)];
        match self.file.read_exact_at(&mut bytes, HEADER) {
            Ok(()) => {}
            Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
            Err(e) => return Err(e),
        }
        Ok((self.word(0)? == before).then_some(bytes))
    }

    fn word(&self, at: u64) -> io::Result<u64> {
        let mut bytes = [0; 8];
        self.file.read_exact_at(&mut bytes, at)?;
        Ok(u64::from_ne_bytes(bytes))
    }
}

impl AsRawFd for Document {
    fn as_raw_fd(&self) -> RawFd {
        self.file.as_raw_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reader_sees_one_version_or_another() {
        let document = Document::new(c"rgun-test").expect("memory");
        assert_eq!(document.read().expect("memory"), b"");
        let reader = document.again().expect("a descriptor");
        document.replace(b"long before").expect("memory");
        assert_eq!(reader.read().expect("memory"), b"long before");
        document.replace(b"short").expect("memory");
        assert_eq!(reader.read().expect("memory"), b"short");
        std::thread::scope(|scope| {
            let writer = scope.spawn(|| {
                for n in 1..2_000_u16 {
                    let bytes = vec![n.to_ne_bytes()[0]; usize::from(n)];
                    document.replace(&bytes).expect("memory");
                }
            });
            while !writer.is_finished() {
                let bytes = reader.read().expect("memory");
                let byte = u16::try_from(bytes.len()).expect("short").to_ne_bytes()[0];
                assert!(bytes == b"short" || bytes.iter().all(|other| *other == byte));
            }
        });
    }

    #[test]
    fn a_writer_that_died_is_noticed() {
        let document = Document::new(c"rgun-test").expect("memory");
        document.file.write_all_at(&[1], 0).expect("memory");
        document.read().expect_err("incomplete");
        document.replace(b"again").expect("memory");
        assert_eq!(document.read().expect("memory"), b"again");
    }
}
