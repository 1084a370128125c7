//! The part of a request body that has come and that the app has not taken. It does not read.

use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};

/// Pieces below this are joined with what follows them: a chunk of one byte costs an app as much as one of many, and holds on
/// to the whole buffer that it came in.
const SMALL: usize = 2 * 1024;
/// Joined pieces up to this.
const JOINED: usize = 16 * 1024;

/// What came of the request body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BodyState {
    Open,
    Complete,
    /// Malformed, cut off or too slow: its end will not come.
    Failed,
}

#[derive(Debug)]
pub struct Body {
    pub state: BodyState,
    pieces: VecDeque<Bytes>,
    /// Small pieces that came after those.
    joined: BytesMut,
    /// Bytes in both.
    buffered: usize,
    /// The app was told that the body has ended.
    pub end_told: bool,
}

impl Default for Body {
    fn default() -> Self {
        Self {
            state: BodyState::Complete,
            pieces: VecDeque::new(),
            joined: BytesMut::new(),
            buffered: 0,
            end_told: false,
        }
    }
}

impl Body {
    pub fn push(&mut self, piece: Bytes) {
        self.buffered += piece.len();
        if piece.len() < SMALL && self.buffered > piece.len() {
            self.joined.extend_from_slice(&piece);
            if self.joined.len() >= JOINED {
                self.pieces.push_back(self.joined.split().freeze());
            }
            return;
        }
        if !self.joined.is_empty() {
            self.pieces.push_back(self.joined.split().freeze());
        }
        self.pieces.push_back(piece);
    }

    /// The next piece in order.
    pub fn pop(&mut self) -> Option<Bytes> {
        let piece = self.pieces.pop_front().or_else(|| {
            // With its memory: the next small pieces are another buffer's.
            (!self.joined.is_empty()).then(|| std::mem::take(&mut self.joined).freeze())
        })?;
        self.buffered -= piece.len();
        Some(piece)
    }

    /// Bytes that the app has not taken.
    pub fn buffered(&self) -> usize {
        self.buffered
    }

    pub fn clear(&mut self) {
        self.pieces.clear();
        self.joined = BytesMut::new();
        self.buffered = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drained(body: &mut Body) -> Vec<usize> {
        std::iter::from_fn(|| body.pop())
            .map(|piece| piece.len())
            .collect()
    }

    #[test]
    fn pieces_come_back_in_order_and_small_ones_joined() {
        let mut body = Body::default();
        let mut all = Vec::new();
        for (number, size) in [1, 1, 1, 5000, 3, 2047, 2048, 1, 70_000, 1]
            .into_iter()
            .enumerate()
        {
            let piece = vec![number as u8; size];
            all.extend_from_slice(&piece);
            body.push(piece.into());
        }
        assert_eq!(body.buffered(), all.len());
        let back: Vec<Bytes> = std::iter::from_fn(|| body.pop()).collect();
        assert_eq!(back.concat(), all);
        let sizes: Vec<_> = back.iter().map(Bytes::len).collect();
        assert_eq!(sizes, [1, 2, 5000, 2050, 2048, 1, 70_000, 1]);
        assert_eq!(body.buffered(), 0);
    }

    #[test]
    fn a_flood_of_single_bytes_is_a_few_pieces() {
        let mut body = Body::default();
        for _ in 0..60_000 {
            body.push(Bytes::from_static(b"x"));
        }
        assert_eq!(drained(&mut body), [1, 16384, 16384, 16384, 10847]);
        body.push(Bytes::from_static(b"y"));
        body.clear();
        assert_eq!((drained(&mut body), body.buffered()), (vec![], 0));
    }
}
