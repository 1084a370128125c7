//! Lines queued for a file or a pipe, written in batches, without waiting.

use std::io::ErrorKind;
use std::sync::Arc;

use crate::sys::{self, Output, end_of_piece};

/// A batch is written before it grows beyond this.
const FLUSH_ABOVE: usize = 32 * 1024;
/// The most bytes to queue while the reader is slow; beyond that lines are dropped.
const MOST_WAITING: usize = 256 * 1024;

#[derive(Debug)]
pub(super) struct LineBuffer {
    /// `None`: lines go elsewhere.
    pub output: Option<Arc<Output>>,
    pub buffer: Vec<u8>,
    pub dropped: u64,
    /// The last write was the beginning of a line whose rest is lost: the next one begins on a line of its own.
    torn: bool,
    /// The last batch could not be written, and that was logged.
    failing: bool,
}

impl LineBuffer {
    pub fn new(output: Option<Arc<Output>>) -> LineBuffer {
        LineBuffer {
            output,
            buffer: Vec::with_capacity(FLUSH_ABOVE),
            dropped: 0,
            torn: false,
            failing: false,
        }
    }

    /// A file takes lines of any length whole.
    pub fn is_file(&self) -> bool {
        self.output.as_ref().is_some_and(|output| output.is_file())
    }

    /// False: the next line is dropped.
    pub fn has_room(&mut self) -> bool {
        if self.buffer.len() > FLUSH_ABOVE {
            self.flush();
        }
        let has_room = self.buffer.len() <= MOST_WAITING;
        self.dropped += u64::from(!has_room);
        has_room
    }

    pub fn flush(&mut self) {
        let Some(output) = self.output.as_ref().filter(|_| !self.buffer.is_empty()) else {
            return;
        };
        if self.torn {
            self.torn = output.attempt(b"\n").is_err();
        }
        let mut done = 0;
        while let Some(rest) = self.buffer.get(done..).filter(|rest| !rest.is_empty()) {
            let piece = if output.is_file() {
                rest
            } else {
                rest.get(..end_of_piece(rest)).unwrap_or(rest)
            };
            match output.attempt(piece) {
                Ok(count) if count > 0 => {
                    self.failing = false;
                    done += count;
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                // No reader, or the disk is full: these lines are lost, the next ones may not be.
                other => {
                    if !std::mem::replace(&mut self.failing, true) {
                        let error = other.err().unwrap_or_else(|| ErrorKind::WriteZero.into());
                        let error = sys::Error::reason(&error);
                        tracing::error!(
                            error,
                            "the access log cannot be written, lines are dropped"
                        );
                    }
                    let end = self.buffer.get(..done).and_then(<[u8]>::last);
                    self.torn |= end.is_some_and(|end| *end != b'\n');
                    self.dropped +=
                        u64::try_from(memchr::memchr_iter(b'\n', rest).count()).unwrap_or(0);
                    done = self.buffer.len();
                    break;
                }
            }
        }
        self.buffer.drain(..done);
        if done > 0 && self.dropped > 0 && self.buffer.is_empty() && !self.failing {
            // Not inside the macro, which evaluates its fields only when the event is enabled.
            let lines = std::mem::take(&mut self.dropped);
            tracing::warn!(lines, "access log lines dropped");
        }
    }
}
