//! Writing a response as it is, after any coding.

use bytes::{Bytes, BytesMut};

use super::error::SendError;
use super::handle::Exchange;
use crate::http::{BodyEnd, ResponseError, ResponseState};
use crate::worker::connection::{
    ConnectionOutput, ConnectionState, HIGH_WATER, PendingBody, app_waits, ending, output, spool,
    steps,
};
use crate::worker::spool::SpoolFile;
use crate::worker::write_coalescer::{self, Until};

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

/// Begins a response: its head waits for the body.
pub(super) fn begin<'h>(
    exchange: &Exchange,
    s: &mut ConnectionState,
    status: u16,
    reason: Option<&[u8]>,
    headers: impl IntoIterator<Item = (&'h [u8], &'h [u8])>,
) -> Result<(), SendError> {
    if exchange.conn.net.drain.closes_after_response() {
        s.close_after_answer();
    }
    let date = exchange.conn.net.clock.date();
    s.http.start_response(status, reason, headers, &date.1)?;
    if let Some(entry) = &mut s.stream.entry {
        entry.note_response(&exchange.conn.net.ledger, || s.http.pending_head().to_vec());
    }
    Ok(())
}

/// Writes a piece of the body.
pub(super) fn put(
    exchange: &Exchange,
    data: &[u8],
    end: BodyEnd,
    hold: Hold<'_>,
    lend: Option<Lend<'_>>,
) -> Result<Backpressure, SendError> {
    let s = &mut *exchange.conn.lock();
    exchange.check(s)?;
    if s.holds && data.len() > write_coalescer::MOST {
        // Joining them gains nothing.
        s.holds = false;
        output::flush(&exchange.conn, s);
    }
    expect_trailers(s, end);
    let transmit = match s.http.body(data, end) {
        Ok(transmit) => transmit,
        Err(error) => {
            if matches!(error, ResponseError::TooShort { .. })
                && s.http.response_state() != ResponseState::HeadPending
            {
                ending::cut(&exchange.conn, s);
                steps::advance(&exchange.conn, s);
            }
            return Err(error.into());
        }
    };
    let excess = transmit.excess;
    let pieces = [transmit.head, transmit.data, transmit.tail];
    let held = &exchange.conn.net.write_coalescer;
    let step = held.step();
    let all = if let Some(part) = &mut s.pending {
        part.follow(&pieces);
        false
    } else if let Hold::Spool(new) = hold {
        if let Some(rest) =
            ConnectionOutput::of(&mut s.transport, &mut s.out, &mut s.write_closed).offer(pieces)
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
            output::flush(&exchange.conn, s);
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
        s.clock.write_progress = exchange.conn.net.now();
        if held.add(exchange.conn.clone(), Until::StepEnds) {
            exchange.conn.net.intake.picked.wake();
        }
        true
    } else {
        s.written_in = step;
        if let Some(rest) =
            ConnectionOutput::of(&mut s.transport, &mut s.out, &mut s.write_closed).offer(pieces)
        {
            keep(&mut s.out, &mut s.pending, rest, pieces[1].len(), lend);
        }
        !s.is_unsent()
    };
    sent(exchange, s, all);
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

/// After a write: records progress, and ends the exchange after the last byte.
pub(super) fn sent(exchange: &Exchange, s: &mut ConnectionState, all: bool) {
    if !all {
        s.clock.write_progress = exchange.conn.net.now();
    }
    if s.http.response_state() == ResponseState::Complete {
        steps::response_ended(&exchange.conn, s);
    } else if s.write_closed && !s.stream.left {
        s.stream.left = true;
        app_waits::notify_reader(&exchange.conn, s);
    }
}

/// Before a piece is written: the last byte that was declared is not the end where trailers may follow.
pub(super) fn expect_trailers(s: &mut ConnectionState, end: BodyEnd) {
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
