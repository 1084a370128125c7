//! Output that is not copied: a file, or a large block of the app's.

use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::sync::Arc;

use bytes::{Buf, Bytes, BytesMut};

use crate::sys::name_of;
use crate::worker::spool::SpoolFile;
use crate::worker::transport::{Follows, Transport};

#[derive(Debug)]
pub struct PendingBody {
    pub source: BodySource,
    /// Bytes of it that are not sent.
    pub left: u64,
    /// Bytes that are written after it.
    pub behind: BytesMut,
    /// The part that follows those.
    pub next: Option<Box<PendingBody>>,
}

#[derive(Debug)]
pub enum BodySource {
    /// A piece of the body is in that file, from `offset` on.
    File { file: Arc<File>, offset: u64 },
    /// Output that waits for the client; more can be appended.
    Spool { file: SpoolFile, offset: u64 },
    /// The rest of a block, in the app's own memory.
    Block(Bytes),
}

impl PendingBody {
    pub fn file(file: Arc<File>, offset: u64, left: u64, behind: &[u8]) -> Self {
        Self {
            source: BodySource::File { file, offset },
            left,
            behind: behind.into(),
            next: None,
        }
    }

    pub fn block(block: Bytes, behind: &[u8]) -> Self {
        Self {
            left: block.len() as u64,
            source: BodySource::Block(block),
            behind: behind.into(),
            next: None,
        }
    }

    pub fn spool(file: SpoolFile) -> Self {
        Self {
            source: BodySource::Spool { file, offset: 0 },
            left: 0,
            behind: BytesMut::new(),
            next: None,
        }
    }

    /// Of the file, for a message. `None`: there is none.
    pub fn name(&self) -> Option<String> {
        match &self.source {
            BodySource::File { file, .. } => Some(name_of(file)),
            BodySource::Spool { file, .. } => Some(name_of(file.file())),
            BodySource::Block(_) => None,
        }
    }

    /// Writes what the socket takes now, at most `most` bytes. 0: the file is shorter than expected.
    pub fn send(&mut self, transport: &mut Transport, most: usize) -> io::Result<usize> {
        let most = usize::try_from(self.left).unwrap_or(usize::MAX).min(most);
        let count = match &mut self.source {
            BodySource::File { file, offset } => send_from(transport, file, offset, most)?,
            BodySource::Spool { file, offset } => send_from(transport, file.file(), offset, most)?,
            BodySource::Block(block) => {
                let count = transport.write(&block[..most], Follows::Nothing)?;
                block.advance(count);
                count
            }
        };
        self.left -= count as u64;
        Ok(count)
    }
}

fn send_from(
    transport: &mut Transport,
    file: &File,
    offset: &mut u64,
    most: usize,
) -> io::Result<usize> {
    let count = transport.send_file(file.as_fd(), *offset, most)?;
    *offset += count as u64;
    Ok(count)
}
