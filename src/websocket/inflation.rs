//! Inflates a compressed message that has arrived, in steps of bounded work, so that a large one does not delay other
//! connections. The window that it refers to stays with the connection.

use bytes::BytesMut;
use zlib_rs::{InflateFlush, Status};

use super::failure::WebSocketFailure;
use super::message::{Message, MessageKind};
use super::next_streams::{Data, NextStreams, StepEnd};
use super::utf8::Utf8;

/// What a step takes and gives at most, up to a symbol or the header of a block.
const STEP_INPUT: usize = 512;
pub(super) const STEP_OUTPUT: usize = 16 * 1024;
/// A byte of compressed data can cost as much as so many bytes that come out: a block of eleven bytes has tables of its
/// own and need not contain anything.
const INPUT_WEIGHT: usize = 128;
/// The end of a flush, which is not transmitted (RFC 7692 §7.2.1).
pub(super) const FLUSHED: [u8; 4] = [0, 0, 0xff, 0xff];

pub(super) struct Inflation {
    kind: MessageKind,
    input: BytesMut,
    /// How many bytes of it are taken.
    at: usize,
    out: Vec<u8>,
    /// Of a text, as far as it is inflated.
    utf8: Utf8,
    inflate: zlib_rs::Inflate,
    /// From the first final block on, in place of `inflate`.
    next_streams: Option<NextStreams>,
}

impl std::fmt::Debug for Inflation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Inflation")
            .field("at", &self.at)
            .field("out", &self.out.len())
            .finish_non_exhaustive()
    }
}

impl Inflation {
    /// `inflate`: a fresh state that knows the window.
    pub fn new(kind: MessageKind, mut compressed: BytesMut, inflate: zlib_rs::Inflate) -> Self {
        compressed.extend_from_slice(&FLUSHED);
        Self {
            kind,
            input: compressed,
            at: 0,
            out: Vec::new(),
            utf8: Utf8::default(),
            inflate,
            next_streams: None,
        }
    }

    /// Bytes that it holds.
    pub fn buffered(&self) -> usize {
        self.input.len() + self.out.len()
    }

    /// The work that was done so far, in bytes that come out.
    pub fn work(&self) -> usize {
        self.at * INPUT_WEIGHT + self.out.len()
    }

    /// True: the message is complete. `scratch` is for one piece of output; the message may have up to `limit` bytes.
    pub fn step(
        &mut self,
        window: &[u8],
        scratch: &mut [u8; STEP_OUTPUT],
        limit: usize,
    ) -> Result<bool, WebSocketFailure> {
        let is_complete = if self.next_streams.is_none()
            && let Some(is_complete) = self.first_stream(scratch, limit)?
        {
            is_complete
        } else {
            self.next_streams(window, limit)?
        };
        if is_complete {
            self.utf8.finish()?;
        }
        Ok(is_complete)
    }

    fn next_streams(&mut self, window: &[u8], limit: usize) -> Result<bool, WebSocketFailure> {
        let streams = self
            .next_streams
            .get_or_insert_with(|| NextStreams::new(self.at));
        let before = self.out.len();
        let result = streams.step(
            Data {
                input: &self.input,
                window,
                out: &mut self.out,
                limit,
            },
            StepEnd {
                input: streams.taken() + STEP_INPUT,
                output: before + STEP_OUTPUT,
            },
        );
        self.at = streams.taken();
        if self.kind == MessageKind::Text {
            self.utf8.push(&self.out[before..])?;
        }
        result
    }

    /// `None`: it has ended, and another one follows.
    fn first_stream(
        &mut self,
        scratch: &mut [u8; STEP_OUTPUT],
        limit: usize,
    ) -> Result<Option<bool>, WebSocketFailure> {
        let inflate = &mut self.inflate;
        let end = self.input.len().min(self.at + STEP_INPUT);
        let (before_in, before_out) = (inflate.total_in(), inflate.total_out());
        let status = inflate.decompress(
            &self.input[self.at..end],
            &mut scratch[..],
            InflateFlush::SyncFlush,
        );
        self.at += (inflate.total_in() - before_in) as usize;
        let given = &scratch[..(inflate.total_out() - before_out) as usize];
        if self.out.len() + given.len() > limit {
            return Err(WebSocketFailure::TooBig);
        }
        if self.kind == MessageKind::Text {
            self.utf8.push(given)?;
        }
        self.out.extend_from_slice(given);
        match status.map_err(|_| WebSocketFailure::NotDeflate)? {
            // RFC 7692 §7.2.3.4: a last block ends its stream; what follows is another one with the same past.
            Status::StreamEnd => Ok(None),
            Status::Ok | Status::BufError if given.len() == scratch.len() => Ok(Some(false)),
            Status::Ok | Status::BufError if self.at == end => Ok(Some(end == self.input.len())),
            Status::Ok | Status::BufError => Err(WebSocketFailure::NotDeflate),
        }
    }

    /// The inflated message, and the zlib state for another one.
    pub fn into_parts(self) -> (Message, zlib_rs::Inflate) {
        let message = Message {
            kind: self.kind,
            data: self.out.into(),
        };
        (message, self.inflate)
    }
}
