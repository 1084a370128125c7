//! One HTTP/1.1 connection of a server, request side: bytes in, events out. The
//! response side is in `respond`. A stream of HTTP/2 is a connection with one request, whose head is written as HTTP/1.1.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};

use super::body::{BodyPiece, BodyReader};
use super::event::{HttpEvent, ResponseState};
use super::head::{BodyPresence, Carrier, RequestHead};
use super::head_reader::HeadReader;
use super::policy::{KeepAlive, Policy};
use super::refusal::Refusal;
use super::responder::{RequestProperties, Responder};

/// An unread request body is discarded up to this size beyond what was already buffered, so that the
/// connection can be kept; a longer one costs less as a new connection.
pub const DISCARD_LIMIT: u64 = 64 * 1024;

/// The size of one read while a head is awaited, and while a body comes.
const HEAD_READ: usize = 4 * 1024;
const BODY_READ: usize = 64 * 1024;

/// One connection: requests one at a time, in order, each with its response.
#[derive(Debug)]
pub struct Connection {
    policy: Arc<Policy>,
    carrier: Carrier,
    pub(super) input: BytesMut,
    reader: HeadReader,
    pub(super) receiving: Receiving,
    input_ended: bool,
    /// Why the end of a stream is not that of the request: it was reset, for example.
    input_fault: Option<InputFault>,
    /// The client waits for `100 Continue` and no byte of the body has come.
    pub(super) expect_pending: bool,
    /// How much of an unread body may still be discarded, once its response is complete.
    discard_left: Option<u64>,
    /// The input was made large for a body.
    enlarged: bool,
    draining: bool,
    pub(super) responder: Responder,
    /// An interim response, or another that does not share the buffer of the final one.
    pub(super) interim: Vec<u8>,
}

/// Why the request of a stream does not get whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InputFault {
    Truncated,
    BadTrailer,
}

impl From<InputFault> for Refusal {
    fn from(fault: InputFault) -> Self {
        match fault {
            InputFault::Truncated => Self::TruncatedBody,
            InputFault::BadTrailer => Self::BadTrailer,
        }
    }
}

#[derive(Debug)]
pub(super) enum Receiving {
    /// Between requests, or inside a head.
    Head,
    Body(BodyReader),
    /// The request is complete.
    Ended,
    /// Nothing is read any more.
    Closed,
}

/// How far an unread body was discarded.
enum Discarded {
    All,
    Some,
    /// Too much, wrong or cut off.
    Never,
}

impl Connection {
    pub fn new(policy: Arc<Policy>) -> Self {
        Connection {
            policy,
            carrier: Carrier::Connection,
            input: BytesMut::new(),
            reader: HeadReader::default(),
            receiving: Receiving::Head,
            input_ended: false,
            input_fault: None,
            expect_pending: false,
            discard_left: None,
            enlarged: false,
            draining: false,
            responder: Responder::new(),
            interim: Vec::new(),
        }
    }

    /// A stream of HTTP/2: `head` in the form of HTTP/1.1, and then the body as it is.
    pub fn of_stream(policy: Arc<Policy>, content: BodyPresence, head: BytesMut) -> Self {
        Connection {
            carrier: Carrier::Stream(content),
            input: head,
            ..Connection::new(policy)
        }
    }

    /// Another policy from here on: its client turned out to be a different one. Between requests only.
    pub fn set_policy(&mut self, policy: Arc<Policy>) {
        self.policy = policy;
    }

    /// Where to read into: its spare capacity is never empty. Call it only when there is something to read,
    /// so that an idle connection holds no buffer; then call `poll_event`.
    #[inline]
    pub fn input(&mut self) -> &mut BytesMut {
        let read = match &self.receiving {
            Receiving::Body(body) if body.at_least() > HEAD_READ as u64 => {
                self.enlarged = true;
                BODY_READ
            }
            _ => HEAD_READ,
        };
        if self.input.capacity() - self.input.len() < read / 4 {
            self.input.reserve(read);
        }
        &mut self.input
    }

    /// Copies `bytes` in, for tests and for transports that own their buffers.
    pub fn receive(&mut self, bytes: &[u8]) {
        self.input.extend_from_slice(bytes);
    }

    /// The client sent its FIN. Complete requests are still served; incomplete ones are refused.
    pub fn input_ended(&mut self) {
        self.input_ended = true;
    }

    /// As `input_ended`, where that is not the proper end of a body.
    pub fn input_failed(&mut self, fault: InputFault) {
        self.input_ended = true;
        self.input_fault = Some(fault);
    }

    /// The next event. While the app does not take the body, do not poll: what is buffered stays so.
    /// After the response is complete, the rest of the request's body is discarded (up to [`DISCARD_LIMIT`])
    /// without `Body` events; then comes `EndOfBody`, or `Closed` where discarding is not worth it.
    pub fn poll_event(&mut self) -> HttpEvent {
        loop {
            match self.receiving {
                Receiving::Head => return self.poll_head(),
                Receiving::Body(_) => {
                    if let Some(event) = self.poll_body() {
                        return event;
                    }
                }
                Receiving::Ended => match self.responder.state {
                    ResponseState::Complete if self.responder.exchange.keep_alive => {
                        self.next_exchange()
                    }
                    ResponseState::Complete | ResponseState::Aborted => {
                        self.receiving = Receiving::Closed
                    }
                    _ => return HttpEvent::Paused,
                },
                Receiving::Closed => return HttpEvent::Closed,
            }
        }
    }

    fn poll_head(&mut self) -> HttpEvent {
        match self
            .reader
            .poll(&mut self.input, &self.policy, self.carrier)
        {
            Ok(Some(head)) => {
                self.begin_exchange(&head);
                HttpEvent::Request(head)
            }
            Ok(None) if !self.input_ended => HttpEvent::NeedInput,
            Ok(None) if !self.reader.has_begun() => {
                self.receiving = Receiving::Closed;
                HttpEvent::Closed
            }
            Ok(None) => self.refused(Refusal::TruncatedHead),
            Err(refusal) => self.refused(refusal),
        }
    }

    fn begin_exchange(&mut self, head: &RequestHead) {
        let mut exchange = RequestProperties::of(head);
        exchange.keep_alive &= self.policy.keep_alive == KeepAlive::Allowed && !self.draining;
        self.responder.begin_exchange(exchange);
        self.expect_pending = head.expect_continue();
        self.receiving = match BodyReader::of(head.body_framing()) {
            Some(body) => Receiving::Body(body),
            None => Receiving::Ended,
        };
    }

    /// `None`: the state has changed, poll again.
    fn poll_body(&mut self) -> Option<HttpEvent> {
        match self.responder.state {
            ResponseState::Complete => return self.discard_body(),
            ResponseState::Aborted => {
                self.receiving = Receiving::Closed;
                return None;
            }
            _ => {}
        }
        match self.read_body() {
            Ok(BodyPiece::Data(data)) => Some(HttpEvent::Body(data)),
            Ok(BodyPiece::End) => {
                self.receiving = Receiving::Ended;
                Some(HttpEvent::EndOfBody)
            }
            Ok(BodyPiece::NeedInput) if self.input_ended && self.ends_with_input() => {
                self.receiving = Receiving::Ended;
                Some(HttpEvent::EndOfBody)
            }
            Ok(BodyPiece::NeedInput) if self.input_ended => {
                let fault = self.input_fault.unwrap_or(InputFault::Truncated);
                Some(self.refused(fault.into()))
            }
            Ok(BodyPiece::NeedInput) => Some(HttpEvent::NeedInput),
            Err(refusal) => Some(self.refused(refusal)),
        }
    }

    fn ends_with_input(&self) -> bool {
        matches!(self.receiving, Receiving::Body(BodyReader::Stream { .. }))
            && self.input_fault.is_none()
    }

    fn read_body(&mut self) -> Result<BodyPiece, Refusal> {
        let Receiving::Body(body) = &mut self.receiving else {
            return Ok(BodyPiece::End);
        };
        let piece = body.poll(&mut self.input, &self.policy);
        if !matches!(piece, Ok(BodyPiece::NeedInput)) {
            self.expect_pending = false;
        }
        piece
    }

    /// The response is complete and the body is not. Errors in it get no response: a second one on the
    /// same connection would be taken for the next request's.
    fn discard_body(&mut self) -> Option<HttpEvent> {
        let at_least = match &self.receiving {
            Receiving::Body(body) => body.at_least(),
            _ => 0,
        };
        let left = *self
            .discard_left
            .get_or_insert(DISCARD_LIMIT + self.input.len() as u64);
        let hopeless = !self.responder.exchange.keep_alive || at_least > left;
        match if hopeless {
            Discarded::Never
        } else {
            self.read_over(left)
        } {
            Discarded::All => {
                self.receiving = Receiving::Ended;
                Some(HttpEvent::EndOfBody)
            }
            Discarded::Some => Some(HttpEvent::NeedInput),
            Discarded::Never => {
                self.responder.exchange.keep_alive = false;
                self.receiving = Receiving::Closed;
                None
            }
        }
    }

    fn read_over(&mut self, mut left: u64) -> Discarded {
        loop {
            match self.read_body() {
                Ok(BodyPiece::Data(data)) => match left.checked_sub(data.len() as u64) {
                    Some(rest) => left = rest,
                    None => return Discarded::Never,
                },
                Ok(BodyPiece::End) => return Discarded::All,
                Ok(BodyPiece::NeedInput) if !self.input_ended => {
                    self.discard_left = Some(left);
                    return Discarded::Some;
                }
                Ok(BodyPiece::NeedInput) | Err(_) => return Discarded::Never,
            }
        }
    }

    fn next_exchange(&mut self) {
        self.receiving = Receiving::Head;
        self.discard_left = None;
        self.responder.end_exchange();
        if self.enlarged && self.input.is_empty() {
            self.enlarged = false;
            self.input = BytesMut::new();
        }
    }

    fn refused(&mut self, refusal: Refusal) -> HttpEvent {
        self.note_method();
        self.responder.exchange.keep_alive = false;
        self.receiving = Receiving::Closed;
        HttpEvent::Refused(refusal)
    }

    /// The response to a rejected head has no body either when its method is HEAD.
    pub(super) fn note_method(&mut self) {
        if matches!(self.receiving, Receiving::Head) {
            self.responder.exchange.is_head = self.input.starts_with(b"HEAD ");
        }
    }

    /// Returns the vector of a head for reuse, so that the next one needs no allocation. Optional.
    pub fn recycle(&mut self, head: RequestHead) {
        self.reader.spare = head.fields;
    }

    /// The bytes that `buffered` counts.
    pub fn unread(&self) -> &[u8] {
        &self.input
    }

    /// Received and not yet turned into events (pipelined requests, unread body).
    pub fn buffered(&self) -> usize {
        self.input.len()
    }

    /// No request is in progress and no byte of one has come: an idle keep-alive connection, or a new one.
    pub fn is_idle(&self) -> bool {
        matches!(self.receiving, Receiving::Head) && self.input.is_empty() && self.reader.is_fresh()
    }

    /// Frees the buffers of an idle connection; they are allocated again with the next byte.
    pub fn release_buffers(&mut self) {
        if self.is_idle() {
            self.input = BytesMut::new();
            self.reader = HeadReader::default();
            self.interim = Vec::new();
            self.responder.out = Vec::new();
        }
    }

    /// `HTTP/1.1 100 Continue` when the client waits for it and no byte of the body has come; once. Call it
    /// when the app asks for the body.
    pub fn continue_100(&mut self) -> Option<&'static [u8]> {
        let head_is_unsent = matches!(
            self.responder.state,
            ResponseState::NotStarted | ResponseState::HeadPending
        );
        if !self.expect_pending || !head_is_unsent {
            return None;
        }
        self.expect_pending = false;
        self.input
            .is_empty()
            .then_some(b"HTTP/1.1 100 Continue\r\n\r\n")
    }

    /// Whether the client waits for `100 Continue`, as far as is known.
    pub fn awaits_continue(&self) -> bool {
        self.expect_pending && self.input.is_empty()
    }

    /// The current response, or the next one, gets `Connection: close` (drain). A response whose head was sent
    /// is not changed: its client may already have sent the next request.
    pub fn set_close(&mut self) {
        self.draining = true;
        if matches!(
            self.responder.state,
            ResponseState::NotStarted | ResponseState::HeadPending
        ) {
            self.responder.exchange.keep_alive = false;
        }
    }

    /// Whether the connection stays open after the current response, as far as is known now.
    pub fn is_keep_alive(&self) -> bool {
        self.responder.exchange.keep_alive && self.responder.state != ResponseState::Aborted
    }

    /// Before a head is finished: decides by what is known whether another request can follow.
    pub(super) fn settle_keep_alive(&mut self, is_last: bool) {
        let unread = match &self.receiving {
            Receiving::Body(body) => body.at_least(),
            _ => 0,
        };
        let too_much = is_last && unread > DISCARD_LIMIT + self.input.len() as u64;
        let nothing_follows =
            self.input_ended && self.input.is_empty() && matches!(self.receiving, Receiving::Ended);
        // A client that got no `100 Continue` may or may not send the body: the next bytes could be either.
        if self.expect_pending || too_much || nothing_follows {
            self.responder.exchange.keep_alive = false;
        }
    }

    /// What the client sent after the head of the upgrade request.
    pub fn into_upgraded(self) -> Bytes {
        self.input.freeze()
    }
}
