//! Messages for the client that wait to be sent. A large one is compressed in steps of bounded work, so that it does not delay other
//! connections; those that follow it wait, as each refers to the ones before.

use std::collections::VecDeque;

use bytes::Bytes;
use zlib_rs::{Deflate, DeflateFlush};

use super::inflation::{FLUSHED, STEP_OUTPUT};
use super::message::{Message, MessageKind};

/// What a step takes at most.
const STEP_INPUT: usize = 16 * 1024;
/// Compressing a byte costs as much as so many bytes that are inflated.
const INPUT_WEIGHT: usize = 4;

/// In order.
#[derive(Debug, Default)]
pub(super) struct Outgoing {
    /// The first one.
    pub deflation: Option<Deflation>,
    pub queue: VecDeque<Message>,
}

/// A message in work, with a zlib state of its own.
pub(super) struct Deflation {
    pub message: Message,
    pub deflate: Deflate,
    progress: DeflateProgress,
}

impl std::fmt::Debug for Deflation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Deflation")
            .field("of", &self.message.data.len())
            .field("at", &self.progress.at)
            .finish_non_exhaustive()
    }
}

impl Deflation {
    /// `deflate`: a fresh state that knows the window.
    pub fn new(message: Message, deflate: Deflate) -> Self {
        Self {
            message,
            deflate,
            progress: DeflateProgress::default(),
        }
    }

    /// True: it is complete.
    pub fn step(&mut self, scratch: &mut [u8; STEP_OUTPUT]) -> bool {
        let message = &self.message.data;
        self.progress.step(&mut self.deflate, message, scratch)
    }

    /// The work that was done so far, in bytes that are inflated.
    pub fn work(&self) -> usize {
        self.progress.at * INPUT_WEIGHT
    }

    pub fn kind(&self) -> MessageKind {
        self.message.kind
    }

    pub fn take_out(&mut self) -> Bytes {
        std::mem::take(&mut self.progress.out).into()
    }
}

/// How far a message is compressed.
#[derive(Default)]
pub(super) struct DeflateProgress {
    /// How many bytes of it are taken.
    at: usize,
    pub out: Vec<u8>,
}

impl DeflateProgress {
    /// Takes a piece of the message. True: `out` is complete, without the end of the flush.
    pub fn step(
        &mut self,
        deflate: &mut Deflate,
        message: &[u8],
        scratch: &mut [u8; STEP_OUTPUT],
    ) -> bool {
        let end = message.len().min(self.at + STEP_INPUT);
        let flush = if end == message.len() {
            DeflateFlush::SyncFlush
        } else {
            DeflateFlush::NoFlush
        };
        let (before_in, before_out) = (deflate.total_in(), deflate.total_out());
        let status = deflate.compress(&message[self.at..end], &mut scratch[..], flush);
        self.at += (deflate.total_in() - before_in) as usize;
        let given = &scratch[..(deflate.total_out() - before_out) as usize];
        self.out.extend_from_slice(given);
        // The flush is complete when the output was not filled.
        let is_complete = self.at == message.len() && given.len() < STEP_OUTPUT;
        if is_complete || status.is_err() {
            let unsent = if self.out.ends_with(&FLUSHED) {
                FLUSHED.len()
            } else {
                0
            };
            self.out.truncate(self.out.len() - unsent);
        }
        is_complete || status.is_err()
    }
}
