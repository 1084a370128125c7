//! A request body as it is passed to an application thread.

use bytes::Bytes;

use crate::worker::connection::ByteQueue;
use crate::worker::memory_budget::BudgetShare;
use crate::worker::spool::SpoolFile;

/// The part of a body that is in memory: its beginning.
#[derive(Default)]
pub struct BodyPrefix {
    pub pieces: ByteQueue,
    /// Its share of the worker's memory budget for slow clients, where it is large.
    pub share: Option<BudgetShare>,
}

pub enum WsgiBody {
    Empty,
    Whole {
        begun: BodyPrefix,
        /// The rest of a large body.
        file: Option<SpoolFile>,
    },
    /// The body is not stored as a whole: what was received (its last piece is in no file), and the rest from the
    /// connection.
    Stream {
        begun: BodyPrefix,
        file: Option<SpoolFile>,
        last: Bytes,
        more: bool,
    },
}

impl WsgiBody {
    /// All of it, where it is in memory.
    pub fn in_memory(&self) -> Option<Vec<&[u8]>> {
        match self {
            Self::Empty => Some(Vec::new()),
            Self::Whole { begun, file: None } => Some(begun.pieces.each().collect()),
            Self::Whole { file: Some(_), .. } | Self::Stream { .. } => None,
        }
    }

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
