//! A body that is a whole file of the app: if its response has `Accept-Ranges: bytes`, the client's conditions and
//! ranges are applied as for a file that is served without the app.

use std::fs::File;

use bytes::Bytes;

use super::error::SendError;
use super::handle::Exchange;
use super::writing::{self, Backpressure};
use super::{coding, replying};
use crate::http::{BodyEnd, RequestHead, ResponseState};
use crate::worker::files::{AppHead, Reply};

/// As `Exchange::send_file`, of a regular file from its first byte to its last. `head`: of a request that has conditions or
/// ranges.
pub(in crate::worker) fn send(
    exchange: &Exchange,
    file: File,
    length: u64,
    end: BodyEnd,
    head: Option<&RequestHead>,
) -> Result<Backpressure, SendError> {
    let response = match end {
        BodyEnd::Last => response_with_ranges(exchange, length)?,
        BodyEnd::More | BodyEnd::Trailers => None,
    };
    let Some(response) = response else {
        return exchange.send_file(file, 0, length, end);
    };
    match file.metadata() {
        Ok(facts) if facts.len() == length => {
            replying::send(exchange, &Reply::of_opened(file, &facts, head, &response));
            Ok(Backpressure::Free)
        }
        // The file has grown or shrunk since: the length declared by the app applies.
        Ok(_) | Err(_) => exchange.send_file(file, 0, length, end),
    }
}

/// As `send`, of a file whose attributes give no size: a response that declares that as its length gets the real one.
pub(in crate::worker) fn send_unsized(
    exchange: &Exchange,
    content: Bytes,
    end: BodyEnd,
) -> Result<Backpressure, SendError> {
    coding::leave_file(exchange)?;
    begin_unsized(exchange)?;
    exchange.send_lent(&content, end, &|| Some(content.clone()))
}

fn begin_unsized(exchange: &Exchange) -> Result<(), SendError> {
    let s = &mut *exchange.conn.lock();
    exchange.check(s)?;
    if s.http.response_state() != ResponseState::HeadPending {
        return Ok(());
    }
    let Some(head) = AppHead::begun(s.http.response_status(), s.http.pending_head(), 0) else {
        return Ok(());
    };
    s.http.reset_response()?;
    let fields = head.fields.iter();
    let fields = fields.map(|(name, value)| (&**name, &**value));
    writing::begin(exchange, s, head.status, None, fields)
}

/// The response that has begun, if parts of the file may be sent instead of the whole.
fn response_with_ranges(exchange: &Exchange, length: u64) -> Result<Option<AppHead>, SendError> {
    coding::leave_file(exchange)?;
    let s = &mut *exchange.conn.lock();
    exchange.check(s)?;
    if s.http.response_state() != ResponseState::HeadPending {
        return Ok(None);
    }
    let response = AppHead::begun(s.http.response_status(), s.http.pending_head(), length);
    Ok(response.filter(AppHead::has_ranges))
}
