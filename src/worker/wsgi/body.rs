//! A request body as a thread gets it. It does not read it.

use bytes::Bytes;

use crate::worker::allowance::Share;
use crate::worker::connection::Pieces;
use crate::worker::spool::SpoolFile;

/// What of a body is in memory: its beginning.
#[derive(Default)]
pub struct Begun {
    pub pieces: Pieces,
    /// What a large one takes of the worker's memory for those who are slow.
    pub share: Option<Share>,
}

pub enum Body {
    Empty,
    Whole {
        begun: Begun,
        /// The rest of a large one.
        file: Option<SpoolFile>,
    },
    /// It is not kept as a whole: what has come (the last piece of it is in no file), and the rest from the connection.
    Stream {
        begun: Begun,
        file: Option<SpoolFile>,
        last: Bytes,
        more: bool,
    },
}

impl Body {
    /// In bytes, where it is known.
    pub fn length(&self) -> Option<u64> {
        match self {
            Self::Empty => Some(0),
            Self::Whole { begun, file } => {
                Some(begun.pieces.len() as u64 + file.as_ref().map_or(0, SpoolFile::length))
            }
            Self::Stream { .. } => None,
        }
    }
}
