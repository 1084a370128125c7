//! Sending a response: head, body, files, trailers.

use super::coding::{self, HeadPlacement};
use super::error::SendError;
use super::handle::Exchange;
use super::writing::{self, Backpressure, Hold, Lend, NewSpool};
use crate::http::{BodyEnd, ResponseError};
use crate::worker::connection::{ConnectionOutput, LOW_WATER, PendingBody, output};

impl Exchange {
    pub fn start<'h>(
        &self,
        status: u16,
        reason: Option<&[u8]>,
        headers: impl IntoIterator<Item = (&'h [u8], &'h [u8])>,
    ) -> Result<(), SendError> {
        if let Some(coder) = &self.coder {
            return coding::start(self, coder, HeadPlacement::Anew, status, reason, headers);
        }
        let s = &mut *self.conn.lock();
        self.check(s)?;
        writing::begin(self, s, status, reason, headers)
    }

    /// As `start`, replacing a response whose head was not sent.
    pub fn restart<'h>(
        &self,
        status: u16,
        reason: Option<&[u8]>,
        headers: impl IntoIterator<Item = (&'h [u8], &'h [u8])>,
    ) -> Result<(), SendError> {
        if let Some(coder) = &self.coder {
            return coding::start(self, coder, HeadPlacement::InPlace, status, reason, headers);
        }
        let s = &mut *self.conn.lock();
        self.check(s)?;
        s.http.reset_response()?;
        writing::begin(self, s, status, reason, headers)
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

    /// Values of the environ for the access log, as the app has left them.
    pub fn note_environ(&self, found: Vec<(String, Vec<u8>)>) {
        let s = &mut *self.conn.lock();
        if self.is_current(s)
            && let Some(entry) = &mut s.stream.entry
        {
            entry.note_environ(found);
        }
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
            Some(coder) => coding::write(self, coder, data, end, hold, lend),
            None => writing::put(self, data, end, hold, lend),
        }
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
            writing::sent(self, s, !s.is_unsent());
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
        writing::sent(self, s, all);
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
            Some(coder) => match coding::send_file(self, coder, file, offset, length, end)? {
                Ok(flow) => return Ok(flow),
                Err(file) => file,
            },
        };
        let s = &mut *self.conn.lock();
        self.check(s)?;
        if s.pending.is_some() {
            return Err(SendError::FileInProgress);
        }
        writing::expect_trailers(s, end);
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
        writing::sent(self, s, all);
        if excess > 0 {
            return Err(ResponseError::TooLong { excess }.into());
        }
        Ok(if s.pending.is_some() {
            Backpressure::Full
        } else {
            Backpressure::Free
        })
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
}
