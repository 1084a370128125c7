//! The compressor and the decompressor that all connections of a worker share, and the window that each connection keeps.
//!
//! A zlib state takes 40 KiB to inflate and 150 KiB to deflate. A connection keeps none of its own, only the last bytes
//! of its messages (at most a window): they are given to the shared state as a dictionary before each message, which
//! is the same to the other side. While a large message of a connection is inflated or compressed in steps, it has a state to itself.

use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::{Bytes, BytesMut};
use zlib_rs::DeflateConfig;

use super::deflate::Takeover;
use super::failure::WebSocketFailure;
use super::inflation::{Inflation, STEP_OUTPUT};
use super::message::{Message, MessageKind};
use super::outgoing::{DeflateProgress, Deflation};

/// Windows of 2^9 to 2^12 bytes.
const SMALLEST: u8 = 9;
const SIZES: usize = 4;
/// Shared by all connections of a worker; made as needed.
#[derive(Default)]
pub struct Codecs(Mutex<Made>);

#[derive(Default)]
struct Made {
    inflate: Option<zlib_rs::Inflate>,
    deflate: [Option<zlib_rs::Deflate>; SIZES],
    scratch: Option<Box<[u8; STEP_OUTPUT]>>,
}

impl std::fmt::Debug for Codecs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Codecs")
    }
}

/// The last bytes that went through one direction of a connection.
#[derive(Debug)]
pub(super) struct Past {
    window: Vec<u8>,
    bits: u8,
    takeover: Takeover,
}

impl Past {
    pub fn new(bits: u8, takeover: Takeover) -> Self {
        Self {
            window: Vec::new(),
            bits,
            takeover,
        }
    }

    fn remember(&mut self, message: &[u8]) {
        if self.takeover == Takeover::None {
            return;
        }
        let size = 1 << self.bits;
        let new = &message[message.len().saturating_sub(size)..];
        let over = (self.window.len() + new.len()).saturating_sub(size);
        self.window.drain(..over);
        self.window.extend_from_slice(new);
    }
}

impl Codecs {
    fn lock(&self) -> MutexGuard<'_, Made> {
        // A state that a panic left behind is reset before each use.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A compressed message, to be inflated step by step.
    pub(super) fn begin(
        &self,
        past: &Past,
        kind: MessageKind,
        compressed: BytesMut,
    ) -> Result<Inflation, WebSocketFailure> {
        let made = self.lock().inflate.take();
        let mut inflate = match made {
            Some(mut inflate) => {
                inflate.reset(false);
                inflate
            }
            None => zlib_rs::Inflate::new(false, 15),
        };
        if !past.window.is_empty() {
            inflate
                .set_dictionary(&past.window)
                .map_err(|_| WebSocketFailure::NotDeflate)?;
        }
        Ok(Inflation::new(kind, compressed, inflate))
    }

    /// True: the message is complete. It has at most `limit` bytes.
    pub(super) fn step(
        &self,
        past: &Past,
        inflation: &mut Inflation,
        limit: usize,
    ) -> Result<bool, WebSocketFailure> {
        let made = &mut *self.lock();
        let scratch = made
            .scratch
            .get_or_insert_with(|| Box::new([0; STEP_OUTPUT]));
        inflation.step(&past.window, scratch, limit)
    }

    /// The message that is complete.
    pub(super) fn finish(&self, past: &mut Past, inflation: Inflation) -> Message {
        let (message, inflate) = inflation.into_parts();
        past.remember(&message.data);
        self.lock().inflate.get_or_insert(inflate);
        message
    }

    /// A whole message.
    pub(super) fn deflate(&self, past: &mut Past, message: &[u8]) -> Vec<u8> {
        let made = &mut *self.lock();
        let deflate = made.deflate[place(past)].take();
        let mut deflate = ready(deflate, past);
        let scratch = made
            .scratch
            .get_or_insert_with(|| Box::new([0; STEP_OUTPUT]));
        let mut progress = DeflateProgress::default();
        while !progress.step(&mut deflate, message, scratch) {}
        made.deflate[place(past)] = Some(deflate);
        past.remember(message);
        progress.out
    }

    /// A message to be compressed step by step.
    pub(super) fn begin_deflation(&self, past: &Past, message: Message) -> Deflation {
        let made = self.lock().deflate[place(past)].take();
        Deflation::new(message, ready(made, past))
    }

    /// True: it is complete.
    pub(super) fn step_deflation(&self, deflation: &mut Deflation) -> bool {
        let made = &mut *self.lock();
        let scratch = made
            .scratch
            .get_or_insert_with(|| Box::new([0; STEP_OUTPUT]));
        deflation.step(scratch)
    }

    /// What was made of the message that is complete.
    pub(super) fn finish_deflation(&self, past: &mut Past, mut deflation: Deflation) -> Bytes {
        let out = deflation.take_out();
        past.remember(&deflation.message.data);
        self.lock().deflate[place(past)].get_or_insert(deflation.deflate);
        out
    }
}

/// Of the state for windows of this size.
fn place(past: &Past) -> usize {
    usize::from(past.bits.saturating_sub(SMALLEST)).min(SIZES - 1)
}

/// A fresh state that knows the window, from a used one if there is one.
fn ready(made: Option<zlib_rs::Deflate>, past: &Past) -> zlib_rs::Deflate {
    let mut deflate = match made {
        Some(mut deflate) => {
            deflate.reset();
            deflate
        }
        None => zlib_rs::Deflate::new_with_config(DeflateConfig {
            window_bits: -i32::from(past.bits),
            level: 3,
            mem_level: 5,
            ..DeflateConfig::default()
        }),
    };
    if !past.window.is_empty() {
        // Rejected only by a state that is not fresh; compressing without it is correct as well.
        let _refused = deflate.set_dictionary(&past.window);
    }
    deflate
}
