//! One HTTP/1.1 connection of a server, response side: the app's response, as bytes to write.

use super::connection::{Connection, Receiving};
use super::date::Date;
use super::error::ResponseError;
use super::event::{BodyEnd, RawTransmit, ResponseState, Transmit};
use super::head::{Upgrade, Version};
use super::refusal::Refusal;
use super::response::{ResponseHead, check_field, push_field};
use super::status::{reason_phrase, status_line};
use super::{body, chars};

/// Whether a field may be a trailer of a response.
pub fn check_trailer(name: &[u8], value: &[u8]) -> Result<(), ResponseError> {
    check_field(name, value)?;
    if body::is_forbidden_trailer(name) {
        return Err(ResponseError::ForbiddenTrailer(name.into()));
    }
    Ok(())
}

impl Connection {
    /// Begins the head of the final response; add the fields, then `finish`. Dropped unfinished, it has no effect.
    /// `reason`: `None` for the registered phrase.
    pub fn begin_response<'c>(
        &'c mut self,
        status: u16,
        reason: Option<&[u8]>,
        date: &'c Date,
    ) -> Result<ResponseHead<'c>, ResponseError> {
        match status {
            100..=199 => return Err(ResponseError::InformationalStatus(status)),
            200..=999 => {}
            _ => return Err(ResponseError::InvalidStatus(status)),
        }
        self.check_request()?;
        ResponseHead::begin(&mut self.responder, status, reason, date)
    }

    /// `begin_response`, the fields in order, `finish`. Nothing is to be written yet: framing is chosen with the
    /// first piece of the body, and an error until then can still become another response.
    pub fn start_response<'h>(
        &mut self,
        status: u16,
        reason: Option<&[u8]>,
        headers: impl IntoIterator<Item = (&'h [u8], &'h [u8])>,
        date: &Date,
    ) -> Result<(), ResponseError> {
        let mut head = self.begin_response(status, reason, date)?;
        for (name, value) in headers {
            head.header(name, value)?;
        }
        head.finish();
        Ok(())
    }

    /// The next piece of the body. The result is to be written now, all of it, before the next call.
    pub fn body<'a>(
        &'a mut self,
        data: &'a [u8],
        end: BodyEnd,
    ) -> Result<Transmit<'a>, ResponseError> {
        if self.responder.state == ResponseState::HeadPending {
            self.settle_keep_alive(end != BodyEnd::More);
        }
        self.responder.body(data, end)
    }

    /// As `body`, for `len` bytes that the owner sends by itself (sendfile).
    pub fn raw_body(&mut self, len: u64, end: BodyEnd) -> Result<RawTransmit<'_>, ResponseError> {
        if self.responder.state == ResponseState::HeadPending {
            self.settle_keep_alive(end != BodyEnd::More);
        }
        self.responder.raw_body(len, end)
    }

    /// Whether the end of the declared length is not that of the response: trailers may follow.
    pub fn may_end_with_trailers(&self) -> bool {
        self.responder.may_end_with_trailers()
    }

    /// Ends a response whose body ended with `BodyEnd::Trailers`. They are written only if the response is
    /// chunked and the request has `TE: trailers`; they are checked always. In HTTP/2 they are lines for the end of the stream.
    pub fn trailers<'a, 'h>(
        &'a mut self,
        trailers: impl IntoIterator<Item = (&'h [u8], &'h [u8])>,
    ) -> Result<Transmit<'a>, ResponseError> {
        let responder = &mut self.responder;
        if !responder.trailers_due() {
            responder.check_body()?;
            return Err(ResponseError::NotStarted);
        }
        responder.clear_taken();
        responder.out.clear();
        if responder.exchange.version != Version::Http2 {
            responder.out.extend_from_slice(b"0\r\n");
        }
        for (count, (name, value)) in (1..).zip(trailers) {
            check_trailer(name, value)?;
            responder.check_count(count)?;
            if responder.takes_trailers() {
                push_field(&mut responder.out, name, value);
            }
        }
        if responder.exchange.version != Version::Http2 {
            responder.out.extend_from_slice(b"\r\n");
        }
        Ok(responder.end_with_trailers())
    }

    /// An interim response (102, 103), before the final head was sent; to be written now. Empty for HTTP/1.0.
    /// (100 is `continue_100`'s, 101 is `switch_protocols`'s.)
    pub fn informational<'a, 'h>(
        &'a mut self,
        status: u16,
        headers: impl IntoIterator<Item = (&'h [u8], &'h [u8])>,
    ) -> Result<&'a [u8], ResponseError> {
        if !matches!(status, 102..=199) {
            return Err(ResponseError::InvalidStatus(status));
        }
        match self.responder.state {
            ResponseState::NotStarted => self.check_request()?,
            ResponseState::HeadPending => {}
            ResponseState::Streaming => return Err(ResponseError::HeadSent),
            ResponseState::Complete => return Err(ResponseError::AlreadyComplete),
            ResponseState::Aborted => return Err(ResponseError::Aborted),
        }
        let out = &mut self.interim;
        out.clear();
        out.extend_from_slice(b"HTTP/1.1 ");
        chars::push_decimal(out, u64::from(status));
        out.push(b' ');
        out.extend_from_slice(reason_phrase(status).as_bytes());
        out.extend_from_slice(b"\r\n");
        for (count, (name, value)) in (1..).zip(headers) {
            check_field(name, value)?;
            self.responder.check_count(count)?;
            let frames = [
                &b"content-length"[..],
                b"transfer-encoding",
                b"connection",
                b"upgrade",
            ];
            if !frames.iter().any(|frame| name.eq_ignore_ascii_case(frame)) {
                push_field(out, name, value);
            }
        }
        out.extend_from_slice(b"\r\n");
        if self.responder.exchange.version == Version::Http10 {
            out.clear();
        }
        Ok(&self.interim)
    }

    /// `101 Switching Protocols` with `upgrade: websocket`, to be written; after it only `into_upgraded` has a
    /// meaning.
    pub fn switch_protocols<'a, 'h>(
        &'a mut self,
        headers: impl IntoIterator<Item = (&'h [u8], &'h [u8])>,
        date: &Date,
    ) -> Result<&'a [u8], ResponseError> {
        self.check_request()?;
        if self.responder.exchange.upgrade == Upgrade::None {
            return Err(ResponseError::NoUpgrade);
        }
        let mut head = ResponseHead::begin(&mut self.responder, 101, None, date)?;
        head.push_upgrade();
        for (name, value) in headers {
            head.header(name, value)?;
        }
        head.finish();
        self.responder.state = ResponseState::Complete;
        self.responder.exchange.keep_alive = false;
        self.receiving = Receiving::Closed;
        self.responder.out.extend_from_slice(b"\r\n");
        Ok(self.responder.take_out())
    }

    /// Discards a head that was not sent.
    pub fn reset_response(&mut self) -> Result<(), ResponseError> {
        match self.responder.state {
            ResponseState::NotStarted => Ok(()),
            ResponseState::HeadPending => {
                self.responder.clear_head();
                Ok(())
            }
            ResponseState::Streaming | ResponseState::Complete => Err(ResponseError::HeadSent),
            ResponseState::Aborted => Err(ResponseError::Aborted),
        }
    }

    /// A small response of our own, with `Connection: close`: for `Event::Refused`, for the owner's timers and
    /// limits, and in place of a response that was not sent. Empty when a part of a response was sent:
    /// then only close.
    pub fn refuse(&mut self, refusal: Refusal, date: &Date) -> &[u8] {
        self.note_method();
        self.receiving = Receiving::Closed;
        match self.responder.state {
            ResponseState::NotStarted | ResponseState::HeadPending => {}
            ResponseState::Streaming | ResponseState::Complete | ResponseState::Aborted => {
                self.abort();
                return &[];
            }
        }
        let responder = &mut self.responder;
        responder.clear_head();
        responder.exchange.keep_alive = false;
        responder.status = refusal.status();
        responder.state = ResponseState::Complete;
        let out = &mut responder.out;
        out.extend_from_slice(
            status_line(refusal.status())
                .expect("every refusal has a registered status")
                .as_bytes(),
        );
        let phrase = reason_phrase(refusal.status());
        // Internal errors are not shown to the client.
        let reason = if refusal.status() == 500 {
            ""
        } else {
            refusal.reason()
        };
        let length = phrase.len() + reason.len() + if reason.is_empty() { 1 } else { 3 };
        out.extend_from_slice(b"content-type: text/plain; charset=utf-8\r\ncontent-length: ");
        chars::push_decimal(out, length as u64);
        out.extend_from_slice(b"\r\n");
        if let Some(seconds) = refusal.retry_after() {
            out.extend_from_slice(b"retry-after: ");
            chars::push_decimal(out, seconds.into());
            out.extend_from_slice(b"\r\n");
        }
        out.extend_from_slice(date.both_lines());
        out.extend_from_slice(responder.tag.sent(false));
        if refusal == Refusal::WebSocketVersion {
            // RFC 6455 §4.2.2, and RFC 9110 §15.5.22 for Upgrade.
            out.extend_from_slice(
                b"sec-websocket-version: 13\r\nupgrade: websocket\r\nconnection: close, upgrade\r\n\r\n",
            );
        } else {
            out.extend_from_slice(b"connection: close\r\n\r\n");
        }
        if !responder.exchange.is_head {
            out.extend_from_slice(phrase.as_bytes());
            if !reason.is_empty() {
                out.extend_from_slice(b": ");
                out.extend_from_slice(reason.as_bytes());
            }
            out.push(b'\n');
            responder.body_len = length as u64;
        }
        responder.take_out()
    }

    /// Aborts the response: the connection has to be closed, without the end of a response that is not complete.
    pub fn abort(&mut self) {
        if self.responder.state != ResponseState::Complete {
            self.responder.state = ResponseState::Aborted;
        }
        self.responder.exchange.keep_alive = false;
        self.receiving = Receiving::Closed;
    }

    /// The response to this request gets that field, unless the app sends its own. Both are valid, and on one line.
    pub fn tag_response(&mut self, name: &str, value: &[u8]) {
        self.responder.tag.clear();
        self.add_to_response(name, value);
        self.responder.tag.set_replaceable(name.len());
    }

    /// As `tag_response`, beside fields of the app with this name; after `tag_response`.
    pub fn add_to_response(&mut self, name: &str, value: &[u8]) {
        let lines = &mut self.responder.tag.lines;
        super::response::push_field(lines, name.as_bytes(), value);
    }

    /// The head that `start_response` has serialised, while nothing has followed, as far as it is known.
    pub fn pending_head(&self) -> &[u8] {
        &self.responder.out
    }

    pub fn response_state(&self) -> ResponseState {
        self.responder.state
    }

    /// The status of the current or last response, for the access log; 0 before one.
    pub fn response_status(&self) -> u16 {
        self.responder.status
    }

    /// Whether the client takes the end of the connection for the end of the body: truncation needs a reset then.
    pub fn is_close_delimited(&self) -> bool {
        self.responder.is_close_delimited()
    }

    /// Body bytes of the current or last response handed out so far, without framing.
    pub fn response_body_len(&self) -> u64 {
        self.responder.body_len
    }

    /// There is a request, and its final response has not begun.
    fn check_request(&self) -> Result<(), ResponseError> {
        if matches!(self.receiving, Receiving::Head) {
            return Err(ResponseError::NoRequest);
        }
        self.responder.check_not_started()
    }
}
