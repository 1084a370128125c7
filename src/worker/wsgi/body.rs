//! A request body as a thread gets it. It does not read it.

use std::fs::File;

use bytes::Bytes;

/// Bodies above this many bytes go to a file.
pub const SPOOL_ABOVE: usize = 64 * 1024;

pub enum Body {
    Empty,
    Memory(Bytes),
    File {
        file: File,
        length: u64,
    },
    /// There was no place to keep it: what has come (first the file's part), and the rest from the connection.
    Stream {
        file: Option<(File, u64)>,
        begun: Bytes,
        more: bool,
    },
}

impl Body {
    /// In bytes, where it is known.
    pub fn length(&self) -> Option<u64> {
        match self {
            Self::Empty => Some(0),
            Self::Memory(bytes) => Some(bytes.len() as u64),
            Self::File { length, .. } => Some(*length),
            Self::Stream { .. } => None,
        }
    }
}
