//! Sending a response: head, body, files, trailers.

use bytes::{Bytes, BytesMut};

use super::super::connection::{
    BodyState, ConnectionMode, ConnectionOutput, ConnectionState, HIGH_WATER, LOW_WATER,
    PendingBody, app_waits, ending, output, spool, steps,
};
use super::super::spool::SpoolFile;
use super::super::write_coalescer::{self, Until};
use super::Exchange;
use crate::http::{BodyEnd, ResponseError, ResponseState};
use crate::sys::is_forked_child;

/// Whether a head replaces another one that was not sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum HeadPlacement {
    Anew,
    InPlace,
}

/// How long output may be held back.
#[derive(Clone, Copy)]
pub(super) enum Hold<'s> {
    /// Until the end of the app's step.
    Step,
    /// Until the client reads, in a file.
    Spool(NewSpool<'s>),
    No,
}

/// Creates a file with room for so many bytes of output; `None`: it cannot be created.
pub type NewSpool<'s> = &'s dyn Fn(usize) -> Option<SpoolFile>;

/// Returns the whole block that is being sent, so that the rest of it need not be copied; `None`: not available.
pub type Lend<'l> = &'l dyn Fn() -> Option<Bytes>;

/// A rest of at least this size is not copied.
const WORTH_LENDING: usize = 16 * 1024;

/// Whether the app may continue sending.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Backpressure {
    Free,
    /// Too much is unsent: `App::writable` reports when that has changed.
    Full,
}

#[derive(Debug, thiserror::Error)]
pub enum SendError {
    #[error("the client has closed the connection")]
    Gone,
    /// A second file while the first is being sent.
    #[error("the file sent before has not left: await send()")]
    FileInProgress,
    #[error("{0}")]
    Response(#[from] ResponseError),
}

impl Exchange {
    pub fn start<'h>(
        &self,
        status: u16,
        reason: Option<&[u8]>,
        headers: impl IntoIterator<Item = (&'h [u8], &'h [u8])>,
    ) -> Result<(), SendError> {
        if let Some(coder) = &self.coder {
            return self.start_coded(coder, HeadPlacement::Anew, status, reason, headers);
        }
        let s = &mut *self.conn.lock();
        self.check(s)?;
        self.begin(s, status, reason, headers)
    }

    pub(super) fn begin<'h>(
        &self,
        s: &mut ConnectionState,
        status: u16,
        reason: Option<&[u8]>,
        headers: impl IntoIterator<Item = (&'h [u8], &'h [u8])>,
    ) -> Result<(), SendError> {
        if self.conn.net.drain.closes_after_response() {
            s.close_after_answer();
        }
        let date = self.conn.net.clock.date();
        s.http.start_response(status, reason, headers, &date.1)?;
        if let Some(entry) = &mut s.stream.entry {
            entry.note_response(&self.conn.net.ledger, || s.http.pending_head().to_vec());
        }
        Ok(())
    }

    /// Values of the environ for the access log, as the app has left them.
    pub fn note_environ(&self, found: Vec<(String, Vec<u8>)>) {
        let s = &mut *self.conn.lock();
        if self.is_current(s)
            && let Some(entry) = &mut s.stream.entry
        {
            entry.note_environ(found);
        }
    }

    /// As `start`, replacing a response whose head was not sent.
    pub fn restart<'h>(
        &self,
        status: u16,
        reason: Option<&[u8]>,
        headers: impl IntoIterator<Item = (&'h [u8], &'h [u8])>,
    ) -> Result<(), SendError> {
        if let Some(coder) = &self.coder {
            return self.start_coded(coder, HeadPlacement::InPlace, status, reason, headers);
        }
        let s = &mut *self.conn.lock();
        self.check(s)?;
        s.http.reset_response()?;
        self.begin(s, status, reason, headers)
    }

    /// An interim response (103), before the final head is sent.
    pub fn inform<'h>(
        &self,
        status: u16,
        headers: impl IntoIterator<Item = (&'h [u8], &'h [u8])>,
    ) -> Result<(), SendError> {
        let s = &mut *self.conn.lock();
        self.check(s)?;
        let interim = s.http.informational(status, headers)?;
        ConnectionOutput::of(&mut s.transport, &mut s.out, &mut s.write_closed)
            .write([interim, b"", b""]);
        Ok(())
    }

    /// Writes a piece of the body. When this returns, the bytes are with the kernel, or kept here.
    pub fn send(&self, data: &[u8], end: BodyEnd) -> Result<Backpressure, SendError> {
        self.write(data, end, Hold::No, None)
    }

    /// As `send`, but what the client does not read waits in a file when it is much, or else in memory if it cannot.
    /// `Full` only where neither is possible.
    pub fn send_spooled(
        &self,
        data: &[u8],
        end: BodyEnd,
        spool: NewSpool<'_>,
        lend: Option<Lend<'_>>,
    ) -> Result<Backpressure, SendError> {
        self.write(data, end, Hold::Spool(spool), lend)
    }

    /// As `send`, but what the client does not read of a large block is kept without a copy.
    pub fn send_lent(
        &self,
        data: &[u8],
        end: BodyEnd,
        lend: Lend<'_>,
    ) -> Result<Backpressure, SendError> {
        self.write(data, end, Hold::No, Some(lend))
    }

    /// As `send_lent`, but small pieces of one step of the app are sent together (see `held`).
    pub fn send_in_step(
        &self,
        data: &[u8],
        end: BodyEnd,
        lend: Lend<'_>,
    ) -> Result<Backpressure, SendError> {
        self.write(data, end, Hold::Step, Some(lend))
    }

    fn write(
        &self,
        data: &[u8],
        end: BodyEnd,
        hold: Hold<'_>,
        lend: Option<Lend<'_>>,
    ) -> Result<Backpressure, SendError> {
        match &self.coder {
            Some(coder) => self.write_coded(coder, data, end, hold, lend),
            None => self.put(data, end, hold, lend),
        }
    }

    /// Writes bytes as they are, after any coding.
    pub(super) fn put(
        &self,
        data: &[u8],
        end: BodyEnd,
        hold: Hold<'_>,
        lend: Option<Lend<'_>>,
    ) -> Result<Backpressure, SendError> {
        let s = &mut *self.conn.lock();
        self.check(s)?;
        if s.holds && data.len() > write_coalescer::MOST {
            // Joining them gains nothing.
            s.holds = false;
            output::flush(&self.conn, s);
        }
        expect_trailers(s, end);
        let transmit = match s.http.body(data, end) {
            Ok(transmit) => transmit,
            Err(error) => {
                if matches!(error, ResponseError::TooShort { .. })
                    && s.http.response_state() != ResponseState::HeadPending
                {
                    ending::cut(&self.conn, s);
                    steps::advance(&self.conn, s);
                }
                return Err(error.into());
            }
        };
        let excess = transmit.excess;
        let pieces = [transmit.head, transmit.data, transmit.tail];
        let held = &self.conn.net.write_coalescer;
        let step = held.step();
        let all = if let Some(part) = &mut s.pending {
            part.follow(&pieces);
            false
        } else if let Hold::Spool(new) = hold {
            if let Some(rest) =
                ConnectionOutput::of(&mut s.transport, &mut s.out, &mut s.write_closed)
                    .offer(pieces)
            {
                let kept = s.out.len() + rest.iter().map(|piece| piece.len()).sum::<usize>();
                let file = if kept > spool::KEPT { new(kept) } else { None };
                match file {
                    Some(file) => s.pending = Some(Box::new(PendingBody::spooled(file, &rest))),
                    None => keep(&mut s.out, &mut s.pending, rest, pieces[1].len(), lend),
                }
            }
            !s.is_unsent()
        } else if s.holds {
            pieces
                .iter()
                .for_each(|piece| s.out.extend_from_slice(piece));
            if end == BodyEnd::Last || s.out.len() > write_coalescer::MOST {
                s.holds = false;
                output::flush(&self.conn, s);
            }
            s.out.is_empty() || s.holds
        } else if matches!(hold, Hold::Step)
            && end == BodyEnd::More
            && s.written_in == step
            && s.out.is_empty()
            && pieces.iter().map(|piece| piece.len()).sum::<usize>() < write_coalescer::MOST
        {
            pieces
                .iter()
                .for_each(|piece| s.out.extend_from_slice(piece));
            s.holds = true;
            s.clock.write_progress = self.conn.net.now();
            if held.add(self.conn.clone(), Until::StepEnds) {
                self.conn.net.intake.picked.wake();
            }
            true
        } else {
            s.written_in = step;
            if let Some(rest) =
                ConnectionOutput::of(&mut s.transport, &mut s.out, &mut s.write_closed)
                    .offer(pieces)
            {
                keep(&mut s.out, &mut s.pending, rest, pieces[1].len(), lend);
            }
            !s.is_unsent()
        };
        self.sent(s, all);
        if excess > 0 {
            return Err(ResponseError::TooLong { excess }.into());
        }
        if s.write_closed && !matches!(end, BodyEnd::Last) {
            return Err(SendError::Gone);
        }
        let full = match (hold, &s.pending) {
            (Hold::Spool(_), None) => s.out.len() > spool::KEPT,
            (Hold::Spool(_), Some(part)) => !part.takes_more(),
            (_, None) => s.out.len() > HIGH_WATER,
            (_, Some(_)) => true,
        };
        Ok(if full {
            Backpressure::Full
        } else {
            Backpressure::Free
        })
    }

    /// Ends a response whose body ended with `BodyEnd::Trailers`.
    pub fn trailers<'h>(
        &self,
        trailers: impl IntoIterator<Item = (&'h [u8], &'h [u8])>,
    ) -> Result<(), SendError> {
        let s = &mut *self.conn.lock();
        self.check(s)?;
        let transmit = s.http.trailers(trailers)?;
        if self.conn.key.stream().is_some() {
            s.transport.set_trailers(transmit.head);
            s.holds = false;
            output::flush(&self.conn, s);
            self.sent(s, !s.is_unsent());
            return Ok(());
        }
        let pieces = [transmit.head, transmit.data, transmit.tail];
        let all = if let Some(part) = &mut s.pending {
            part.follow(&pieces);
            false
        } else {
            // After held output, if there is any.
            s.holds = false;
            pieces
                .iter()
                .for_each(|piece| s.out.extend_from_slice(piece));
            output::flush(&self.conn, s);
            s.out.is_empty()
        };
        self.sent(s, all);
        Ok(())
    }

    /// Sends `length` bytes of `file` as a piece of the body, from `offset`. The connection sends what the client
    /// does not read at once after this has returned.
    pub fn send_file(
        &self,
        file: std::fs::File,
        offset: u64,
        length: u64,
        end: BodyEnd,
    ) -> Result<Backpressure, SendError> {
        let file = match &self.coder {
            None => file,
            Some(coder) => match self.send_file_coded(coder, file, offset, length, end)? {
                Ok(flow) => return Ok(flow),
                Err(file) => file,
            },
        };
        let s = &mut *self.conn.lock();
        self.check(s)?;
        if s.pending.is_some() {
            return Err(SendError::FileInProgress);
        }
        expect_trailers(s, end);
        let raw = s.http.raw_body(length, end)?;
        s.out.extend_from_slice(raw.prefix);
        let (left, excess) = (raw.len, raw.excess);
        if left > 0 {
            let part = PendingBody::file(file.into(), offset, left, raw.suffix);
            s.pending = Some(Box::new(part));
        } else {
            s.out.extend_from_slice(raw.suffix);
        }
        s.holds = false;
        output::flush(&self.conn, s);
        let all = !s.is_unsent();
        self.sent(s, all);
        if excess > 0 {
            return Err(ResponseError::TooLong { excess }.into());
        }
        Ok(if s.pending.is_some() {
            Backpressure::Full
        } else {
            Backpressure::Free
        })
    }

    /// After a write: records progress, and ends the exchange after the last byte.
    fn sent(&self, s: &mut ConnectionState, all: bool) {
        if !all {
            s.clock.write_progress = self.conn.net.now();
        }
        if s.http.response_state() == ResponseState::Complete {
            steps::response_ended(&self.conn, s);
        } else if s.write_closed && !s.stream.left {
            s.stream.left = true;
            app_waits::notify_reader(&self.conn, s);
        }
    }

    /// True: continue. False: `App::writable` reports when.
    pub fn may_send(&self) -> bool {
        self.may_send_above(LOW_WATER)
    }

    /// As `may_send`, but up to `kept` unsent bytes are no reason to wait.
    pub fn may_send_above(&self, kept: usize) -> bool {
        let s = &mut *self.conn.lock();
        let free = s.out.len() <= kept && s.pending.is_none() && !s.stream.coding;
        if s.stream.number != self.number || free || s.write_closed {
            return true;
        }
        s.stream.waits.send = true;
        false
    }

    pub(in crate::worker) fn check(&self, s: &ConnectionState) -> Result<(), SendError> {
        if is_forked_child() {
            return Err(SendError::Gone);
        }
        // First: a client may leave after its response, and this is an error of the app in any case.
        if s.stream.number != self.number || s.stream.answered {
            return Err(SendError::Response(ResponseError::AlreadyComplete));
        }
        if s.write_closed || s.stream.end_reported || s.stream.body.state == BodyState::Failed {
            return Err(SendError::Gone);
        }
        match s.mode {
            ConnectionMode::Exchange => Ok(()),
            // Not by the app's response: the server has ended it (a timeout, a body that is refused), as if the client had left.
            ConnectionMode::Closing(_) | ConnectionMode::Linger | ConnectionMode::Closed => {
                Err(SendError::Gone)
            }
            _ => Err(ResponseError::AlreadyComplete.into()),
        }
    }
}

/// Before a piece is written: the last byte that was declared is not the end where trailers may follow.
fn expect_trailers(s: &mut ConnectionState, end: BodyEnd) {
    if end != BodyEnd::Last && s.http.may_end_with_trailers() {
        s.transport.expect_trailers();
    }
}

/// Keeps what the socket did not take: a reference for a large block, which had `length` bytes.
pub(super) fn keep(
    out: &mut BytesMut,
    part: &mut Option<Box<PendingBody>>,
    rest: [&[u8]; 3],
    length: usize,
    lend: Option<Lend<'_>>,
) {
    let [head, data, tail] = rest;
    out.extend_from_slice(head);
    if data.len() >= WORTH_LENDING
        && let Some(block) = lend.and_then(|lend| lend())
    {
        let rest = block.slice(length - data.len()..length);
        *part = Some(Box::new(PendingBody::block(rest, tail)));
    } else {
        out.extend_from_slice(data);
        out.extend_from_slice(tail);
    }
}
