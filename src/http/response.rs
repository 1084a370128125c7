//! The head of a response while its fields are given: validation and serialisation. The framing is chosen in
//! `responder.rs`.

use super::chars::{decimal, is_field_text, is_token, list, push_decimal};
use super::date::Date;
use super::error::ResponseError;
use super::event::ResponseState;
use super::responder::Responder;
use super::status::status_line;

/// Made by `Connection::begin_response`; discards everything when it is dropped unfinished.
#[derive(Debug)]
pub struct ResponseHead<'c> {
    responder: &'c mut Responder,
    date: &'c Date,
    finished: bool,
    /// How many fields the app has added.
    fields: usize,
    has_date: bool,
    has_server: bool,
    has_tag: bool,
}

impl<'c> ResponseHead<'c> {
    pub(super) fn begin(
        responder: &'c mut Responder,
        status: u16,
        reason: Option<&[u8]>,
        date: &'c Date,
    ) -> Result<Self, ResponseError> {
        responder.clear_head();
        let out = &mut responder.out;
        match (reason, status_line(status)) {
            (None, Some(line)) => out.extend_from_slice(line.as_bytes()),
            (reason, _) => {
                let reason = reason.unwrap_or_default();
                if !is_field_text(reason) {
                    return Err(ResponseError::InvalidReason);
                }
                out.extend_from_slice(b"HTTP/1.1 ");
                push_decimal(out, u64::from(status));
                out.push(b' ');
                out.extend_from_slice(reason);
                out.extend_from_slice(b"\r\n");
            }
        }
        responder.status = status;
        Ok(ResponseHead {
            responder,
            date,
            finished: false,
            fields: 0,
            has_date: false,
            has_server: false,
            has_tag: false,
        })
    }

    /// Validates and serialises one field, in the app's order and spelling. Framing is ours: `transfer-encoding`,
    /// `keep-alive`, `proxy-connection` and `upgrade` (but of a 426) are dropped, of `connection` only `close` is used.
    pub fn header(&mut self, name: &[u8], value: &[u8]) -> Result<(), ResponseError> {
        check_field(name, value)?;
        self.fields += 1;
        self.responder.check_count(self.fields)?;
        if self.responder.tag.is_named(name) {
            self.has_tag = true;
        }
        if self.is_kept(name, value)? {
            push_field(&mut self.responder.out, name, value);
        }
        Ok(())
    }

    /// The fields that are handled here, distinguished by their length first: few names reach a comparison.
    fn is_kept(&mut self, name: &[u8], value: &[u8]) -> Result<bool, ResponseError> {
        let is = |known: &[u8]| name.eq_ignore_ascii_case(known);
        match name.len() {
            4 if is(b"date") => Ok(!std::mem::replace(&mut self.has_date, true)),
            6 if is(b"server") => Ok(!std::mem::replace(&mut self.has_server, true)),
            7 if is(b"upgrade") => Ok(self.responder.status == 426),
            10 if is(b"connection") => {
                if list(value).any(|token| token.eq_ignore_ascii_case(b"close")) {
                    self.responder.exchange.keep_alive = false;
                }
                Ok(false)
            }
            10 if is(b"keep-alive") => Ok(false),
            14 if is(b"content-length") => self.content_length(value),
            16 if is(b"proxy-connection") => Ok(false),
            17 if is(b"transfer-encoding") => Ok(false),
            _ => Ok(true),
        }
    }

    fn content_length(&mut self, value: &[u8]) -> Result<bool, ResponseError> {
        let length = decimal(super::chars::trim(value))
            .ok_or_else(|| ResponseError::InvalidContentLength(value.into()))?;
        // RFC 9110 §8.6: none with 1xx and 204; a 205 gets a zero of ours.
        if matches!(self.responder.status, 100..=199 | 204 | 205) {
            return Ok(false);
        }
        match self.responder.declared {
            Some(first) if first != length => {
                Err(ResponseError::InvalidContentLength(value.into()))
            }
            Some(_) => Ok(false),
            None => {
                self.responder.declared = Some(length);
                Ok(true)
            }
        }
    }

    /// The fields of a 101.
    pub(super) fn push_upgrade(&mut self) {
        self.responder
            .out
            .extend_from_slice(b"upgrade: websocket\r\nconnection: Upgrade\r\n");
    }

    /// The fields are complete. Nothing is to be written yet.
    pub fn finish(mut self) {
        // Date and Server, unless the app gave its own.
        let lines: &[u8] = match (self.has_date, self.has_server) {
            (false, false) => self.date.both_lines(),
            (false, true) => self.date.date_line(),
            (true, false) => self.date.server_line(),
            (true, true) => &[],
        };
        self.responder.out.extend_from_slice(lines);
        let Responder { out, tag, .. } = &mut *self.responder;
        out.extend_from_slice(tag.sent(self.has_tag));
        self.responder.state = ResponseState::HeadPending;
        self.finished = true;
    }
}

impl Drop for ResponseHead<'_> {
    fn drop(&mut self) {
        if !self.finished {
            self.responder.clear_head();
        }
    }
}

/// A token, and a value without control characters (RFC 9110 §5.5, PEP 3333).
pub(super) fn check_field(name: &[u8], value: &[u8]) -> Result<(), ResponseError> {
    if !is_token(name) {
        return Err(ResponseError::InvalidName(name.into()));
    }
    if is_field_text(value) {
        Ok(())
    } else {
        Err(ResponseError::InvalidValue(name.into()))
    }
}

pub(super) fn push_field(out: &mut Vec<u8>, name: &[u8], value: &[u8]) {
    out.reserve(name.len() + value.len() + 4);
    out.extend_from_slice(name);
    out.extend_from_slice(b": ");
    out.extend_from_slice(value);
    out.extend_from_slice(b"\r\n");
}
