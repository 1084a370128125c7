//! The part of a request body that was received and that the app has not read.

use bytes::Bytes;

use super::byte_queue::ByteQueue;

/// State of the request body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BodyState {
    Open,
    Complete,
    /// Malformed, cut off or too slow: the body will stay incomplete.
    Failed,
}

#[derive(Debug)]
pub struct RequestBody {
    pub state: BodyState,
    pieces: ByteQueue,
    /// The end of the body was reported to the app.
    pub end_reported: bool,
}

impl Default for RequestBody {
    fn default() -> Self {
        Self {
            state: BodyState::Complete,
            pieces: ByteQueue::default(),
            end_reported: false,
        }
    }
}

impl RequestBody {
    pub fn push(&mut self, piece: Bytes) {
        self.pieces.push(piece);
    }

    /// The next piece in order.
    pub fn pop(&mut self) -> Option<Bytes> {
        self.pieces.pop()
    }

    /// The pieces that the app has not read.
    pub fn pieces(&self) -> impl Iterator<Item = &[u8]> {
        self.pieces.each()
    }

    /// Bytes that the app has not read.
    pub fn buffered(&self) -> usize {
        self.pieces.len()
    }

    pub fn clear(&mut self) {
        self.pieces.clear();
    }
}
