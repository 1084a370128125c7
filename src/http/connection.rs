//! One HTTP/1.1 connection of a server, without its socket and without its clock.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};

use super::date::Date;
use super::error::ResponseError;
use super::event::{BodyEnd, Event, RawTransmit, ResponseState, Transmit};
use super::head::RequestHead;
use super::policy::Policy;
use super::refusal::Refusal;
use super::response::ResponseHead;

/// Bytes in, events out; responses in, bytes out.
#[derive(Debug)]
pub struct Connection {
    policy: Arc<Policy>,
    input: BytesMut,
}

impl Connection {
    pub fn new(policy: Arc<Policy>) -> Self {
        Connection {
            policy,
            input: BytesMut::new(),
        }
    }

    // --- the request side ---

    /// Where to read into: its spare capacity is never empty. Call it only when there is something to read, so that
    /// an idle connection holds no buffer; then call `poll_event`.
    pub fn input(&mut self) -> &mut BytesMut {
        todo!()
    }

    /// Copies `bytes` in, for tests and for transports that own their buffers.
    pub fn receive(&mut self, bytes: &[u8]) {
        self.input().extend_from_slice(bytes);
    }

    /// The client sent its FIN. What is complete is still served and answered; what is not is refused.
    pub fn input_ended(&mut self) {
        todo!()
    }

    /// The next event. While the app does not take the body, do not poll: what is buffered stays so.
    pub fn poll_event(&mut self) -> Event {
        todo!()
    }

    /// Gives the vector of a head back, so that the next one needs no allocation. Optional.
    pub fn recycle(&mut self, _head: RequestHead) {
        todo!()
    }

    /// Received and not yet turned into events (pipelined requests, unread body).
    pub fn buffered(&self) -> usize {
        self.input.len()
    }

    /// No request is in progress and no byte of one has come: an idle keep-alive connection, or a new one.
    pub fn is_idle(&self) -> bool {
        todo!()
    }

    /// Frees the buffers of an idle connection; they come back with the next byte.
    pub fn release_buffers(&mut self) {
        todo!()
    }

    /// `HTTP/1.1 100 Continue` when the client waits for it and nothing of the body has come; once. Call it when the
    /// app asks for the body.
    pub fn continue_100(&mut self) -> Option<&'static [u8]> {
        todo!()
    }

    // --- the response side ---

    /// Begins the head; add the fields, then `finish`. Dropped unfinished, it leaves no trace.
    pub fn begin_response<'c>(
        &'c mut self,
        _status: u16,
        _reason: Option<&[u8]>,
        _date: &'c Date,
    ) -> Result<ResponseHead<'c>, ResponseError> {
        todo!()
    }

    /// `begin_response`, the fields in order, `finish`. Nothing is to be written yet: framing is chosen
    /// with the first piece of the body, and an error until then can still become another response.
    pub fn start_response<'h>(
        &mut self,
        _status: u16,
        _reason: Option<&[u8]>,
        _headers: impl IntoIterator<Item = (&'h [u8], &'h [u8])>,
        _date: &Date,
    ) -> Result<(), ResponseError> {
        todo!()
    }

    /// The next piece of the body. What is returned is to be written now, all of it, before the next call.
    pub fn body<'a>(
        &'a mut self,
        _data: &'a [u8],
        _end: BodyEnd,
    ) -> Result<Transmit<'a>, ResponseError> {
        todo!()
    }

    /// As `body`, for `len` bytes that the owner sends by itself (sendfile).
    pub fn raw_body(&mut self, _len: u64, _end: BodyEnd) -> Result<RawTransmit<'_>, ResponseError> {
        todo!()
    }

    /// Ends a response whose body ended with `BodyEnd::Trailers`. They are written only if the response is chunked
    /// and the request said `TE: trailers`.
    pub fn trailers<'a, 'h>(
        &'a mut self,
        _trailers: impl IntoIterator<Item = (&'h [u8], &'h [u8])>,
    ) -> Result<Transmit<'a>, ResponseError> {
        todo!()
    }

    /// An interim response (103, 102), before the final head has left; to be written now. Empty for HTTP/1.0.
    pub fn informational<'a, 'h>(
        &'a mut self,
        _status: u16,
        _headers: impl IntoIterator<Item = (&'h [u8], &'h [u8])>,
    ) -> Result<&'a [u8], ResponseError> {
        todo!()
    }

    /// `101 Switching Protocols` with `upgrade: websocket`; after it only `into_upgraded` has a meaning.
    pub fn switch_protocols<'a, 'h>(
        &'a mut self,
        _headers: impl IntoIterator<Item = (&'h [u8], &'h [u8])>,
        _date: &Date,
    ) -> Result<&'a [u8], ResponseError> {
        todo!()
    }

    /// What the client sent after the head of the upgrade request.
    pub fn into_upgraded(self) -> Bytes {
        todo!()
    }

    /// Forgets a head that has not left.
    pub fn reset_response(&mut self) -> Result<(), ResponseError> {
        todo!()
    }

    /// Our own small answer, with `Connection: close`: for `Event::Refused`, for the owner's timers and limits, and in
    /// place of a response that has not left. Empty when something of the response has left: then only close.
    pub fn refuse(&mut self, _refusal: Refusal, _date: &Date) -> &[u8] {
        todo!()
    }

    /// Gives the current response up: the connection has to be closed without its end.
    pub fn abort(&mut self) {
        todo!()
    }

    /// The answer still to come, or the next one, says `Connection: close` (drain).
    pub fn set_close(&mut self) {
        todo!()
    }

    /// Whether the connection stays open after the current response, as far as is known now.
    pub fn is_keep_alive(&self) -> bool {
        todo!()
    }

    pub fn response_state(&self) -> ResponseState {
        todo!()
    }

    /// The status of the current or last response, for the access log; 0 before one.
    pub fn response_status(&self) -> u16 {
        todo!()
    }

    /// Body bytes of the current or last response handed out so far, without framing.
    pub fn response_body_len(&self) -> u64 {
        todo!()
    }
}
