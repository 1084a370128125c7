//! Sending a response that is compressed, from the head to the last byte.
//!
//! A WSGI thread compresses what it sends itself. The thread of an event loop does so within a budget per turn; data
//! above that is compressed by a pool thread, while the app waits in `send`. Neither holds the connection's lock in
//! that time.

use std::sync::Arc;

use bytes::Bytes;

use super::coder::{
    Accounted, ActiveCoding, CodedSource, Coder, CodingStage, CodingStart, Original, QueuedBody,
};
use super::error::SendError;
use super::handle::Exchange;
use super::writing::{self, Backpressure, Hold, Lend};
use crate::compress::{Encoder, Failed, Flush};
use crate::http::{BodyEnd, ResponseError, ResponseState};
use crate::worker::compressor::Lease;
use crate::worker::connection::{ConnectionState, LOW_WATER, ending, steps};

/// The pool compresses in pieces of this size.
const PIECE: usize = 256 * 1024;

/// Whether a head replaces another one that was not sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum HeadPlacement {
    Anew,
    InPlace,
}

/// The start of the body.
#[derive(Debug, Clone, Copy)]
enum First {
    Bytes(usize, BodyEnd),
    File,
}

pub(super) fn start<'h>(
    exchange: &Exchange,
    coder: &Coder,
    start: HeadPlacement,
    status: u16,
    reason: Option<&[u8]>,
    headers: impl IntoIterator<Item = (&'h [u8], &'h [u8])>,
) -> Result<(), SendError> {
    let fields: Vec<_> = headers.into_iter().collect();
    let stage = &mut *coder.stage.lock();
    let s = &mut *exchange.conn.lock();
    exchange.check(s)?;
    if start == HeadPlacement::InPlace {
        if matches!(stage, CodingStage::Coding(_)) {
            return Err(ResponseError::HeadSent.into());
        }
        s.http.reset_response()?;
    }
    let (fields, next) = coder.plan(status, reason, &fields);
    let fields = fields.iter().map(|(name, value)| (&**name, &**value));
    writing::begin(exchange, s, status, reason, fields)?;
    *stage = next;
    Ok(())
}

pub(super) fn write(
    exchange: &Exchange,
    coder: &Arc<Coder>,
    data: &[u8],
    end: BodyEnd,
    hold: Hold<'_>,
    lend: Option<Lend<'_>>,
) -> Result<Backpressure, SendError> {
    let stage = &mut *coder.stage.lock();
    settle(exchange, coder, stage, First::Bytes(data.len(), end))?;
    let coding = match stage {
        CodingStage::Coding(coding) => coding,
        // Its length is not the one that a GET would get.
        CodingStage::Unsent => return writing::put(exchange, b"", end, hold, None),
        CodingStage::Plain | CodingStage::Begun(_) => {
            return writing::put(exchange, data, end, hold, lend);
        }
    };
    let Accounted {
        length,
        end,
        excess,
    } = account(exchange, coding, data.len() as u64, end)?;
    let data = &data[..usize::try_from(length).unwrap_or(data.len())];
    let turn = exchange.conn.net.clock.turns();
    let at_once = !matches!(hold, Hold::Step) || coder.compressor.may_code_now(data.len(), turn);
    let flow = match &mut coding.lease {
        Some(lease) if at_once => {
            let coded = encode(exchange, lease, data, end)?;
            let is_last = coding.ended.is_some();
            if is_last {
                *stage = CodingStage::Plain;
            }
            // A block in memory would keep the output that follows it out of a file.
            let may_lend = is_last || !matches!(hold, Hold::Spool(_));
            writing::put(
                exchange,
                &coded,
                end,
                hold,
                Some(&|| may_lend.then(|| coded.clone())),
            )?
        }
        _ => {
            let block = match lend.and_then(|lend| lend()) {
                Some(block) => block.slice(..data.len()),
                None => Bytes::copy_from_slice(data),
            };
            enqueue(exchange, coder, coding, CodedSource::Block(block), end)?;
            Backpressure::Full
        }
    };
    if excess > 0 {
        return Err(ResponseError::TooLong { excess }.into());
    }
    Ok(flow)
}

/// `Err`: the body is not compressed, and the file is returned, to be sent by the kernel.
pub(super) fn send_file(
    exchange: &Exchange,
    coder: &Arc<Coder>,
    file: std::fs::File,
    offset: u64,
    length: u64,
    end: BodyEnd,
) -> Result<Result<Backpressure, std::fs::File>, SendError> {
    let stage = &mut *coder.stage.lock();
    settle(exchange, coder, stage, First::File)?;
    let CodingStage::Coding(coding) = stage else {
        return Ok(Err(file));
    };
    let accounted = account(exchange, coding, length, end)?;
    let source = CodedSource::File {
        file,
        offset,
        left: accounted.length,
    };
    enqueue(exchange, coder, coding, source, accounted.end)?;
    match accounted.excess {
        0 => Ok(Ok(Backpressure::Full)),
        excess => Err(ResponseError::TooLong { excess }.into()),
    }
}

/// The body is going to be a file: the head is replaced by the app's own, unless it was sent.
pub(super) fn leave_file(exchange: &Exchange) -> Result<(), SendError> {
    match &exchange.coder {
        Some(coder) => settle(exchange, coder, &mut coder.stage.lock(), First::File),
        None => Ok(()),
    }
}

/// The first piece of the body decides whether compression pays off. If the head was sent before, the coding is
/// already announced.
fn settle(
    exchange: &Exchange,
    coder: &Coder,
    stage: &mut CodingStage,
    first: First,
) -> Result<(), SendError> {
    let CodingStage::Begun(begun) = &*stage else {
        return Ok(());
    };
    let s = &mut *exchange.conn.lock();
    exchange.check(s)?;
    let has_left = s.http.response_state() != ResponseState::HeadPending;
    let is_head = begun.lease.is_none();
    let is_plain = match first {
        First::File => !has_left,
        // An app may omit the body: that does not mean that a GET gets an empty one.
        First::Bytes(0, _) if is_head => false,
        First::Bytes(length, end) => {
            let length = length as u64;
            let is_whole = end != BodyEnd::More && !has_left;
            if let Some(declared) = begun
                .length
                .filter(|declared| is_whole && !is_head && length < *declared)
            {
                // Nothing was sent: the client can still get a clean error.
                let missing = declared - length;
                return Err(ResponseError::TooShort { missing }.into());
            }
            is_whole && begun.length.is_none() && length < coder.compressor.rules.min_size
        }
    };
    let CodingStage::Begun(begun) = std::mem::replace(stage, CodingStage::Plain) else {
        return Ok(());
    };
    let CodingStart {
        lease,
        length,
        original,
    } = begun;
    if is_plain {
        return begin_original(exchange, s, &original);
    }
    let Some(mut lease) = lease else {
        *stage = CodingStage::Unsent;
        return Ok(());
    };
    let whole = match first {
        First::Bytes(length, end) if end != BodyEnd::More => Some(length as u64),
        First::Bytes(..) | First::File => length,
    };
    // A wrong length would be the encoder's error: the app is held to its own length first.
    let known = whole.filter(|whole| length.is_none_or(|length| length == *whole));
    let begun = encoder(&mut lease).and_then(|encoder| encoder.begin(coder.padding(), known));
    if let Err(error) = begun {
        return Err(fail(exchange, s, error));
    }
    *stage = CodingStage::Coding(ActiveCoding::new(lease, length));
    Ok(())
}

fn begin_original(
    exchange: &Exchange,
    s: &mut ConnectionState,
    original: &Original,
) -> Result<(), SendError> {
    let fields = original.fields.iter();
    let fields = fields.map(|(name, value)| (&**name, &**value));
    s.http.reset_response()?;
    writing::begin(
        exchange,
        s,
        original.status,
        original.reason.as_deref(),
        fields,
    )
}

fn account(
    exchange: &Exchange,
    coding: &mut ActiveCoding,
    length: u64,
    end: BodyEnd,
) -> Result<Accounted, SendError> {
    let accounted = coding.account(length, end);
    if matches!(accounted, Err(ResponseError::TooShort { .. })) {
        let s = &mut *exchange.conn.lock();
        if exchange.check(s).is_ok() {
            ending::cut(&exchange.conn, s);
            steps::advance(&exchange.conn, s);
        }
    }
    Ok(accounted?)
}

fn encode(
    exchange: &Exchange,
    lease: &mut Lease,
    data: &[u8],
    end: BodyEnd,
) -> Result<Bytes, SendError> {
    let flush = match end {
        BodyEnd::More if data.is_empty() => return Ok(Bytes::new()),
        BodyEnd::More => Flush::Sync,
        BodyEnd::Last | BodyEnd::Trailers => Flush::Finish,
    };
    exchange.check(&exchange.conn.lock())?;
    let mut out = Vec::new();
    let encoded = encoder(lease).and_then(|encoder| encoder.encode(data, flush, &mut out));
    match encoded {
        Ok(()) => Ok(out.into()),
        Err(error) => Err(fail(exchange, &mut exchange.conn.lock(), error)),
    }
}

/// What was sent is valid, and no more can follow.
fn fail(exchange: &Exchange, s: &mut ConnectionState, error: impl std::fmt::Display) -> SendError {
    tracing::error!(%error, "response cut: it cannot be compressed");
    if exchange.check(s).is_ok() {
        ending::cut(&exchange.conn, s);
        steps::advance(&exchange.conn, s);
    }
    SendError::Gone
}

/// Queues a piece for a pool thread, which encodes what is queued until nothing is left.
fn enqueue(
    exchange: &Exchange,
    coder: &Arc<Coder>,
    coding: &mut ActiveCoding,
    source: CodedSource,
    end: BodyEnd,
) -> Result<(), SendError> {
    let s = &mut *exchange.conn.lock();
    exchange.check(s)?;
    coding.queue.push_back(QueuedBody { source, end });
    if let Some(lease) = coding.lease.take() {
        s.stream.coding = true;
        let (own, of) = (exchange.clone(), coder.clone());
        let job = Box::new(move || code_queue(&own, &of, lease));
        if coder.compressor.run(job).is_err() {
            s.stream.coding = false;
            return Err(fail(exchange, s, "no thread can be started"));
        }
    }
    Ok(())
}

/// Encodes one piece; the next one has to wait for its turn in the pool, or for the client to read.
fn code_queue(exchange: &Exchange, coder: &Arc<Coder>, mut lease: Lease) {
    let next = {
        let stage = &mut *coder.stage.lock();
        let CodingStage::Coding(coding) = stage else {
            return queue_is_coded(exchange);
        };
        match coding.queue.pop_front() {
            Some(queued) => queued,
            None => {
                if coding.ended.is_some() {
                    *stage = CodingStage::Plain;
                } else {
                    coding.lease = Some(lease);
                }
                return queue_is_coded(exchange);
            }
        }
    };
    let coded = code_queued(exchange, &mut lease, next).and_then(|(rest, flow)| {
        if let Some(rest) = rest
            && let CodingStage::Coding(coding) = &mut *coder.stage.lock()
        {
            coding.queue.push_front(rest);
        }
        go_on(exchange, coder, lease, flow)
    });
    if coded.is_err() {
        give_up_queue(exchange, coder);
        queue_is_coded(exchange);
    }
}

/// Queues the job for the next piece. For a client that does not read, the connection keeps it (see `flush`).
fn go_on(
    exchange: &Exchange,
    coder: &Arc<Coder>,
    lease: Lease,
    flow: Backpressure,
) -> Result<(), SendError> {
    let (own, of) = (exchange.clone(), coder.clone());
    let job = Box::new(move || code_queue(&own, &of, lease));
    if flow == Backpressure::Full {
        let s = &mut *exchange.conn.lock();
        if s.stream.number == exchange.number() && s.is_unsent() && !s.write_closed {
            s.stream.parked = Some(job);
            return Ok(());
        }
    }
    coder.compressor.run(job).map_err(|_| SendError::Gone)
}

/// The client has disconnected. An app that has sent everything may have ended: no other code would close its
/// connection.
fn give_up_queue(exchange: &Exchange, coder: &Coder) {
    let stage = &mut *coder.stage.lock();
    let was_last = matches!(stage, CodingStage::Coding(coding) if coding.ended.is_some());
    *stage = CodingStage::Plain;
    let s = &mut *exchange.conn.lock();
    if was_last && exchange.is_current(s) {
        ending::cut(&exchange.conn, s);
        steps::advance(&exchange.conn, s);
    }
}

/// Encodes one piece, and returns what is left.
fn code_queued(
    exchange: &Exchange,
    lease: &mut Lease,
    mut queued: QueuedBody,
) -> Result<(Option<QueuedBody>, Backpressure), SendError> {
    let piece = match queued.source.take(PIECE) {
        Ok(piece) => piece,
        Err(error) => {
            tracing::error!(%error, "response cut: its file cannot be read");
            let s = &mut *exchange.conn.lock();
            exchange.check(s)?;
            ending::cut(&exchange.conn, s);
            steps::advance(&exchange.conn, s);
            return Err(SendError::Gone);
        }
    };
    let is_last = queued.source.is_empty();
    let end = if is_last { queued.end } else { BodyEnd::More };
    let coded = encode(exchange, lease, &piece, end)?;
    let flow = writing::put(
        exchange,
        &coded,
        end,
        Hold::No,
        Some(&|| Some(coded.clone())),
    )?;
    Ok(((!is_last).then_some(queued), flow))
}

/// The app may continue where the client reads.
fn queue_is_coded(exchange: &Exchange) {
    let s = &mut *exchange.conn.lock();
    if s.stream.number == exchange.number() {
        s.stream.coding = false;
        let has_room = s.out.len() <= LOW_WATER && s.pending.is_none();
        if (has_room || s.write_closed) && std::mem::take(&mut s.stream.waits.send) {
            exchange.conn.net.app().writable(exchange.key());
        }
    }
    // The thread that sleeps in the reactor has to process the queued events.
    exchange.conn.net.wake.wake();
}

fn encoder(lease: &mut Lease) -> Result<&mut Encoder, Failed> {
    lease.encoder().ok_or(Failed::NONE)
}
