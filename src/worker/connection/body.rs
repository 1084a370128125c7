//! The part of a request body that was received and that the app has not read.

use bytes::Bytes;

use super::pieces::Pieces;

/// State of the request body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BodyState {
    Open,
    Complete,
    /// Malformed, cut off or too slow: the body will stay incomplete.
    Failed,
}

#[derive(Debug)]
pub struct Body {
    pub state: BodyState,
    pieces: Pieces,
    /// The end of the body was reported to the app.
    pub end_told: bool,
}

impl Default for Body {
    fn default() -> Self {
        Self {
            state: BodyState::Complete,
            pieces: Pieces::default(),
            end_told: false,
        }
    }
}

impl Body {
    pub fn push(&mut self, piece: Bytes) {
        self.pieces.push(piece);
    }

    /// The next piece in order.
    pub fn pop(&mut self) -> Option<Bytes> {
        self.pieces.pop()
    }

    /// Bytes that the app has not read.
    pub fn buffered(&self) -> usize {
        self.pieces.len()
    }

    pub fn clear(&mut self) {
        self.pieces.clear();
    }
}
