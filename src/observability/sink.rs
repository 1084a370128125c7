//! Records for an output that may not accept them now: written, queued within a bound, or counted as dropped.

use std::collections::VecDeque;
use std::io::{self, ErrorKind};
use std::sync::Arc;

use crate::sys::Output;

/// The most lines to queue; a reader that is so far behind has stopped.
const MOST_RECORDS: usize = 1000;
/// Tracebacks are long.
const MOST_BYTES: usize = 4 << 20;

#[derive(Debug)]
pub(super) struct Sink {
    output: Arc<Output>,
    queue: VecDeque<Vec<u8>>,
    /// Bytes in the queue.
    bytes: usize,
    /// How much of the first record was written.
    begun: usize,
    /// The last write was the beginning of a record whose rest is lost: the next one begins on a line of its own.
    torn: bool,
    /// Lines, since the last note of them was written.
    dropped: u64,
    /// Why the last record could not be written; `None`: it was.
    failure: Option<io::Error>,
}

impl Sink {
    pub(super) fn new(output: Arc<Output>) -> Sink {
        Sink {
            output,
            queue: VecDeque::new(),
            bytes: 0,
            begun: 0,
            torn: false,
            dropped: 0,
            failure: None,
        }
    }

    pub(super) fn output(&self) -> &Arc<Output> {
        &self.output
    }

    /// Queued records go to the new output; half a record would make no sense there.
    pub(super) fn redirect(&mut self, output: Arc<Output>) {
        (self.begun, self.torn) = (0, false);
        self.failure = None;
        self.output = output;
    }

    pub(super) fn is_waiting(&self) -> bool {
        !self.queue.is_empty()
    }

    /// One or more whole lines that belong together.
    pub(super) fn put(&mut self, record: Vec<u8>) {
        if self.queue.len() >= MOST_RECORDS || self.bytes + record.len() > MOST_BYTES {
            self.dropped += lines(&record);
            return;
        }
        self.bytes += record.len();
        self.queue.push_back(record);
        self.flush();
    }

    /// Writes what the output accepts without waiting.
    pub(super) fn flush(&mut self) {
        while let Some(record) = self.queue.front() {
            if self.torn && self.begun == 0 {
                // If even that is not accepted, the record will not be either.
                self.torn = self.output.attempt(b"\n").is_err();
            }
            let rest = record.get(self.begun..).unwrap_or_default();
            let piece = rest.get(..self.output.piece(rest)).unwrap_or(rest);
            match self.output.attempt(piece) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Ok(count) if count > 0 && count < rest.len() => self.begun += count,
                Ok(count) if count == rest.len() => {
                    self.failure = None;
                    self.next();
                }
                // No reader any more, or the disk is full: waiting would not help.
                other => {
                    self.dropped += lines(record);
                    self.torn |= self.begun > 0;
                    let error = other.err().unwrap_or_else(|| ErrorKind::WriteZero.into());
                    self.failure = Some(error);
                    self.next();
                }
            }
        }
    }

    fn next(&mut self) {
        self.begun = 0;
        self.bytes -= self.queue.pop_front().map_or(0, |record| record.len());
    }

    /// Why records are dropped now.
    pub(super) fn failure(&self) -> Option<&io::Error> {
        self.failure.as_ref()
    }

    /// How many lines were dropped and not noted yet, where a note would be written.
    pub(super) fn dropped(&self) -> Option<u64> {
        let writes = self.queue.is_empty() && self.failure.is_none();
        (writes && self.dropped > 0).then_some(self.dropped)
    }

    /// The note of how many were dropped. They stay counted if it is dropped itself.
    pub(super) fn put_note(&mut self, record: Vec<u8>) {
        let noted = std::mem::take(&mut self.dropped);
        self.put(record);
        if self.failure.is_some() {
            self.dropped = noted;
        }
    }

    /// The queue belongs to another process.
    pub(super) fn forget(&mut self) {
        self.queue.clear();
        (self.bytes, self.begun, self.dropped) = (0, 0, 0);
    }
}

fn lines(record: &[u8]) -> u64 {
    u64::try_from(memchr::memchr_iter(b'\n', record).count()).unwrap_or(u64::MAX)
}
