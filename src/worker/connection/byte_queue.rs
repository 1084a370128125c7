//! A queue of received bytes in order, without a copy of the large pieces.

use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};

/// Pieces below this are joined with those that follow: a chunk of one byte costs an app as much as a large one, and
/// keeps the whole buffer that it arrived in alive.
const SMALL: usize = 2 * 1024;
/// Joined pieces up to this.
const JOINED: usize = 16 * 1024;

#[derive(Debug, Default)]
pub struct ByteQueue {
    large: VecDeque<Bytes>,
    /// Small pieces that arrived after those.
    joined: BytesMut,
    /// Bytes in both.
    length: usize,
}

impl ByteQueue {
    pub fn push(&mut self, piece: Bytes) {
        self.length += piece.len();
        if piece.len() < SMALL && self.length > piece.len() {
            self.joined.extend_from_slice(&piece);
            if self.joined.len() >= JOINED {
                self.large.push_back(self.joined.split().freeze());
            }
            return;
        }
        if !self.joined.is_empty() {
            self.large.push_back(self.joined.split().freeze());
        }
        self.large.push_back(piece);
    }

    /// The next piece in order.
    pub fn pop(&mut self) -> Option<Bytes> {
        let piece = self.large.pop_front().or_else(|| {
            // With its memory: the next small pieces get another buffer.
            (!self.joined.is_empty()).then(|| std::mem::take(&mut self.joined).freeze())
        })?;
        self.length -= piece.len();
        Some(piece)
    }

    /// All pieces, in order.
    pub fn each(&self) -> impl Iterator<Item = &[u8]> {
        let joined = (!self.joined.is_empty()).then_some(&self.joined[..]);
        self.large.iter().map(AsRef::as_ref).chain(joined)
    }

    /// In bytes.
    pub fn len(&self) -> usize {
        self.length
    }

    pub fn clear(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drained(pieces: &mut ByteQueue) -> Vec<usize> {
        std::iter::from_fn(|| pieces.pop())
            .map(|piece| piece.len())
            .collect()
    }

    #[test]
    fn pieces_come_back_in_order_and_small_ones_joined() {
        let mut pieces = ByteQueue::default();
        let mut all = Vec::new();
        for (number, size) in [1, 1, 1, 5000, 3, 2047, 2048, 1, 70_000, 1]
            .into_iter()
            .enumerate()
        {
            let piece = vec![number as u8; size];
            all.extend_from_slice(&piece);
            pieces.push(piece.into());
        }
        assert_eq!(pieces.len(), all.len());
        let back: Vec<Bytes> = std::iter::from_fn(|| pieces.pop()).collect();
        assert_eq!(back.concat(), all);
        let sizes: Vec<_> = back.iter().map(Bytes::len).collect();
        assert_eq!(sizes, [1, 2, 5000, 2050, 2048, 1, 70_000, 1]);
        assert_eq!(pieces.len(), 0);
    }

    #[test]
    fn a_flood_of_single_bytes_is_a_few_pieces() {
        let mut pieces = ByteQueue::default();
        for _ in 0..60_000 {
            pieces.push(Bytes::from_static(b"x"));
        }
        assert_eq!(drained(&mut pieces), [1, 16384, 16384, 16384, 10847]);
        pieces.push(Bytes::from_static(b"y"));
        pieces.clear();
        assert_eq!((drained(&mut pieces), pieces.len()), (vec![], 0));
    }
}
