//! The compressor and the decompressor that all connections of a worker share, and the window that each connection keeps.
//!
//! A zlib state takes 40 KiB to inflate and 150 KiB to deflate. A connection keeps none of its own, only the last bytes
//! of its messages (at most a window): they are given to the shared state as a dictionary before each message, which
//! is the same to the other side.

use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::{Bytes, BytesMut};
use zlib_rs::{DeflateConfig, DeflateFlush, InflateFlush, Status};

use super::deflate::Takeover;
use super::failure::WebSocketFailure;
use super::inflate::continue_after_final_block;

/// Windows of 2^9 to 2^12 bytes.
const SMALLEST: u8 = 9;
const SIZES: usize = 4;
/// The size of each piece of output.
const SCRATCH: usize = 16 * 1024;
/// The end of a flush, which is not transmitted (RFC 7692 §7.2.1).
const FLUSHED: [u8; 4] = [0, 0, 0xff, 0xff];

/// Shared by all connections of a worker; made as needed.
#[derive(Default)]
pub struct Codecs(Mutex<Made>);

#[derive(Default)]
struct Made {
    inflate: Option<zlib_rs::Inflate>,
    deflate: [Option<zlib_rs::Deflate>; SIZES],
    mem_file: Option<Box<[u8; SCRATCH]>>,
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

    /// A whole message; the result has at most `limit` bytes, in time linear in both.
    pub(super) fn inflate(
        &self,
        past: &mut Past,
        mut compressed: BytesMut,
        limit: usize,
    ) -> Result<Bytes, WebSocketFailure> {
        compressed.extend_from_slice(&FLUSHED);
        let made = &mut *self.lock();
        let mem_file = made.mem_file.get_or_insert_with(|| Box::new([0; SCRATCH]));
        let inflate = match &mut made.inflate {
            Some(inflate) => {
                inflate.reset(false);
                inflate
            }
            none => none.insert(zlib_rs::Inflate::new(false, 15)),
        };
        if !past.window.is_empty() {
            inflate
                .set_dictionary(&past.window)
                .map_err(|_| WebSocketFailure::NotDeflate)?;
        }
        let mut out = Vec::new();
        let mut input = &compressed[..];
        let out = loop {
            let (before_in, before_out) = (inflate.total_in(), inflate.total_out());
            let status = inflate.decompress(input, &mut mem_file[..], InflateFlush::SyncFlush);
            input = &input[(inflate.total_in() - before_in) as usize..];
            let given = &mem_file[..(inflate.total_out() - before_out) as usize];
            if out.len() + given.len() > limit {
                return Err(WebSocketFailure::TooBig);
            }
            let status = status.map_err(|_| WebSocketFailure::NotDeflate)?;
            out.extend_from_slice(given);
            match status {
                // RFC 7692 §7.2.3.4: a last block ends its stream; what follows is another one with the same past.
                Status::StreamEnd => {
                    let before = past.window.len();
                    let mut whole = [&past.window[..], &out].concat();
                    continue_after_final_block(input, &mut whole, before.saturating_add(limit))?;
                    break Bytes::from(whole).slice(before..);
                }
                Status::Ok | Status::BufError if given.len() == SCRATCH => {}
                Status::Ok | Status::BufError if input.is_empty() => break Bytes::from(out),
                Status::Ok | Status::BufError => return Err(WebSocketFailure::NotDeflate),
            }
        };
        past.remember(&out);
        Ok(out)
    }

    /// A whole message.
    pub(super) fn deflate(&self, past: &mut Past, message: &[u8]) -> Vec<u8> {
        let made = &mut *self.lock();
        let mem_file = made.mem_file.get_or_insert_with(|| Box::new([0; SCRATCH]));
        let place = usize::from(past.bits.saturating_sub(SMALLEST)).min(SIZES - 1);
        let deflate = match &mut made.deflate[place] {
            Some(deflate) => {
                deflate.reset();
                deflate
            }
            none => none.insert(zlib_rs::Deflate::new_with_config(DeflateConfig {
                window_bits: -i32::from(past.bits),
                level: 3,
                mem_level: 5,
                ..DeflateConfig::default()
            })),
        };
        if !past.window.is_empty() {
            // Rejected only by a state that is not fresh; compressing without it is correct as well.
            let _refused = deflate.set_dictionary(&past.window);
        }
        let mut out = Vec::new();
        let mut input = message;
        loop {
            let (before_in, before_out) = (deflate.total_in(), deflate.total_out());
            let status = deflate.compress(input, &mut mem_file[..], DeflateFlush::SyncFlush);
            input = &input[(deflate.total_in() - before_in) as usize..];
            let given = &mem_file[..(deflate.total_out() - before_out) as usize];
            out.extend_from_slice(given);
            // The flush is complete when the output was not filled.
            if status.is_err() || (input.is_empty() && given.len() < SCRATCH) {
                break;
            }
        }
        out.truncate(out.len() - if out.ends_with(&FLUSHED) { 4 } else { 0 });
        past.remember(message);
        out
    }
}
