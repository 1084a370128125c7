//! One WebSocket of a server after its handshake: bytes in, events out; messages in, frames out. When to close is
//! decided by the caller.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};

use super::close::Close;
use super::codecs::{Codecs, Past};
use super::deflate::Deflate;
use super::failure::WebSocketFailure;
use super::frame::{FrameHead, Opcode, ReceivedFrame};
use super::inflation::Inflation;
use super::mask::Mask;
use super::message::{Message, MessageKind};
use super::outgoing::{Deflation, Outgoing};
use super::utf8::{self, Utf8};

/// The size of a read between messages, and the largest inside one.
const SHORT_READ: usize = 4 * 1024;
const LONG_READ: usize = 64 * 1024;
/// Shorter messages are sent as they are: compressing them costs more than it saves.
const COMPRESS_FROM: usize = 64;
/// Larger ones are compressed in steps.
const COMPRESS_AT_ONCE: usize = 4 * 1024;

#[derive(Debug)]
pub enum WebSocketEvent {
    /// Read more bytes, then poll again.
    NeedInput,
    /// A large message is in work: poll again, now or later.
    InProgress,
    Message(Message),
    /// To be answered with `Frame::pong`.
    Ping(Bytes),
    Pong,
    /// The peer closes (or answers our close). No more messages follow.
    Close(Close),
    /// The peer broke the protocol: close with the failure's code. No more messages follow.
    Failed(WebSocketFailure),
    /// Returned after `Close` and `Failed`.
    Ended,
}

/// Of messages that were deferred.
#[derive(Debug)]
pub enum OutgoingStep {
    /// There is none.
    Nothing,
    /// One is in work: poll again, now or later.
    InProgress,
    /// A frame to be written: its head and its payload.
    Frame(FrameHead, Bytes),
}

#[derive(Debug)]
pub struct WebSocketConnection {
    input: BytesMut,
    place: FrameState,
    /// The message in progress, when it did not come at once.
    partial: Option<Box<Partial>>,
    limit: usize,
    /// Work that the owner has not asked for yet.
    work: usize,
    deflate: Option<Box<DeflateState>>,
    /// `None`: nothing waits.
    outgoing: Option<Box<Outgoing>>,
}

#[derive(Debug)]
enum FrameState {
    Head,
    /// Inside a frame, so many bytes before its end.
    Payload {
        frame: ReceivedFrame,
        left: usize,
        mask: Mask,
    },
    /// A message is complete on the wire, but not inflated yet.
    Inflating(Box<Inflation>),
    Ended,
}

#[derive(Debug)]
struct Partial {
    kind: MessageKind,
    compressed: bool,
    data: BytesMut,
    utf8: Utf8,
}

#[derive(Debug)]
struct DeflateState {
    codecs: Arc<Codecs>,
    received: Past,
    sent: Past,
}

impl DeflateState {
    fn step(
        &self,
        inflation: &mut Inflation,
        limit: usize,
        work: &mut usize,
    ) -> Result<bool, WebSocketFailure> {
        let before = inflation.work();
        let is_complete = self.codecs.step(&self.received, inflation, limit);
        *work += inflation.work().saturating_sub(before);
        is_complete
    }

    fn finish(&mut self, inflation: Inflation) -> WebSocketEvent {
        WebSocketEvent::Message(self.codecs.finish(&mut self.received, inflation))
    }
}

impl WebSocketConnection {
    /// `read`: bytes after the handshake. `limit`: the largest message in bytes, inflated.
    pub fn new(read: &[u8], limit: usize, deflate: Option<(Deflate, Arc<Codecs>)>) -> Self {
        Self {
            input: BytesMut::from(read),
            place: FrameState::Head,
            partial: None,
            limit,
            work: 0,
            outgoing: None,
            deflate: deflate.map(|(agreed, codecs)| {
                Box::new(DeflateState {
                    codecs,
                    received: Past::new(agreed.client_bits, agreed.client_takeover),
                    sent: Past::new(agreed.server_bits, agreed.server_takeover),
                })
            }),
        }
    }

    /// Where to read into: its spare capacity is never empty. Call it only when there is something to read, so that
    /// an idle connection holds no buffer; then call `poll_event`.
    pub fn input(&mut self) -> &mut BytesMut {
        let read = match self.place {
            FrameState::Payload { left, .. } => left.clamp(SHORT_READ, LONG_READ),
            FrameState::Head | FrameState::Inflating(_) | FrameState::Ended => SHORT_READ,
        };
        if self.input.capacity() - self.input.len() < read / 4 {
            self.input.reserve(read);
        }
        &mut self.input
    }

    /// Frees the read buffer where it is empty.
    pub fn release_input(&mut self) {
        if self.input.is_empty() {
            self.input = BytesMut::new();
        }
    }

    /// The work of the polls since the last call, in bytes of messages; a compressed byte counts for more.
    pub fn take_work(&mut self) -> usize {
        std::mem::take(&mut self.work)
    }

    pub fn poll_event(&mut self) -> WebSocketEvent {
        match self.poll() {
            Ok(event) => event,
            Err(failure) => {
                self.end();
                WebSocketEvent::Failed(failure)
            }
        }
    }

    fn poll(&mut self) -> Result<WebSocketEvent, WebSocketFailure> {
        loop {
            match self.place {
                FrameState::Ended => return Ok(WebSocketEvent::Ended),
                FrameState::Inflating(_) => return self.go_on_inflating(),
                FrameState::Head => {
                    let Some(frame) = ReceivedFrame::parse(&self.input)? else {
                        return Ok(WebSocketEvent::NeedInput);
                    };
                    let left = self.check(&frame)?;
                    drop(self.input.split_to(frame.size));
                    self.place = FrameState::Payload {
                        frame,
                        left,
                        mask: Mask::new(frame.mask),
                    };
                }
                FrameState::Payload { frame, left, mask } => {
                    let event = if frame.opcode.is_control() {
                        self.control(frame, left, mask)?
                    } else if self.partial.is_none() && frame.fin && !frame.compressed {
                        self.at_once(frame, left, mask)?
                    } else {
                        self.piecewise(frame, left, mask)?
                    };
                    if let Some(event) = event {
                        return Ok(event);
                    }
                }
            }
        }
    }

    /// Checks that a frame is valid at this place; returns its length.
    fn check(&self, frame: &ReceivedFrame) -> Result<usize, WebSocketFailure> {
        let compressible = self.deflate.is_some() && matches!(frame.opcode, Opcode::Data(_));
        if frame.compressed && !compressible {
            return Err(WebSocketFailure::Protocol("reserved bit set"));
        }
        match (frame.opcode, &self.partial) {
            (Opcode::Continuation, None) => {
                return Err(WebSocketFailure::Protocol("continuation of nothing"));
            }
            (Opcode::Data(_), Some(_)) => {
                return Err(WebSocketFailure::Protocol(
                    "message inside a fragmented message",
                ));
            }
            _ => {}
        }
        let before = match (frame.opcode, &self.partial) {
            (Opcode::Continuation, Some(partial)) => partial.data.len(),
            _ => 0,
        };
        usize::try_from(frame.len)
            .ok()
            .filter(|len| frame.opcode.is_control() || *len <= self.limit.saturating_sub(before))
            .ok_or(WebSocketFailure::TooBig)
    }

    /// A control frame is handled as a whole: it is short.
    fn control(
        &mut self,
        frame: ReceivedFrame,
        left: usize,
        mut mask: Mask,
    ) -> Result<Option<WebSocketEvent>, WebSocketFailure> {
        if self.input.len() < left {
            return Ok(Some(WebSocketEvent::NeedInput));
        }
        let mut payload = self.input.split_to(left);
        mask.apply(&mut payload);
        self.place = FrameState::Head;
        Ok(Some(match frame.opcode {
            Opcode::Ping => WebSocketEvent::Ping(payload.freeze()),
            Opcode::Pong => WebSocketEvent::Pong,
            Opcode::Close | Opcode::Continuation | Opcode::Data(_) => {
                let close = Close::parse(&payload)?;
                self.end();
                WebSocketEvent::Close(close)
            }
        }))
    }

    /// The common case: one frame, complete in the buffer. Nothing is copied.
    fn at_once(
        &mut self,
        frame: ReceivedFrame,
        left: usize,
        mut mask: Mask,
    ) -> Result<Option<WebSocketEvent>, WebSocketFailure> {
        let Opcode::Data(kind) = frame.opcode else {
            return self.piecewise(frame, left, mask);
        };
        if self.input.len() < left {
            return self.piecewise(frame, left, mask);
        }
        let mut payload = self.input.split_to(left);
        mask.apply(&mut payload);
        self.work += left;
        if kind == MessageKind::Text {
            utf8::whole(&payload)?;
        }
        self.place = FrameState::Head;
        Ok(Some(WebSocketEvent::Message(Message {
            kind,
            data: payload.freeze(),
        })))
    }

    /// Handles the part of a frame that has arrived. `None`: its end was reached, and the message continues.
    fn piecewise(
        &mut self,
        frame: ReceivedFrame,
        left: usize,
        mut mask: Mask,
    ) -> Result<Option<WebSocketEvent>, WebSocketFailure> {
        if let Opcode::Data(kind) = frame.opcode
            && self.partial.is_none()
        {
            self.partial = Some(Box::new(Partial {
                kind,
                compressed: frame.compressed,
                data: BytesMut::new(),
                utf8: Utf8::default(),
            }));
        }
        let partial = self
            .partial
            .as_mut()
            .expect("made above, or checked with the head of the continuation");
        let count = left.min(self.input.len());
        let mut piece = self.input.split_to(count);
        mask.apply(&mut piece);
        self.work += count;
        if partial.kind == MessageKind::Text && !partial.compressed {
            partial.utf8.push(&piece)?;
        }
        partial.data.extend_from_slice(&piece);
        let left = left - count;
        if left > 0 {
            self.place = FrameState::Payload { frame, left, mask };
            return Ok(Some(WebSocketEvent::NeedInput));
        }
        self.place = FrameState::Head;
        if frame.fin {
            return self.complete().map(Some);
        }
        Ok(None)
    }

    fn complete(&mut self) -> Result<WebSocketEvent, WebSocketFailure> {
        let partial = self.partial.take().expect("a message is in progress");
        if let Some(deflate) = &mut self.deflate
            && partial.compressed
        {
            let mut inflation =
                deflate
                    .codecs
                    .begin(&deflate.received, partial.kind, partial.data)?;
            if deflate.step(&mut inflation, self.limit, &mut self.work)? {
                return Ok(deflate.finish(inflation));
            }
            self.place = FrameState::Inflating(Box::new(inflation));
            return Ok(WebSocketEvent::InProgress);
        }
        partial.utf8.finish()?;
        Ok(WebSocketEvent::Message(Message {
            kind: partial.kind,
            data: partial.data.freeze(),
        }))
    }

    fn go_on_inflating(&mut self) -> Result<WebSocketEvent, WebSocketFailure> {
        let FrameState::Inflating(mut inflation) =
            std::mem::replace(&mut self.place, FrameState::Head)
        else {
            return Ok(WebSocketEvent::NeedInput);
        };
        let deflate = self.deflate.as_mut().expect("a message is compressed");
        if deflate.step(&mut inflation, self.limit, &mut self.work)? {
            return Ok(deflate.finish(*inflation));
        }
        self.place = FrameState::Inflating(inflation);
        Ok(WebSocketEvent::InProgress)
    }

    fn end(&mut self) {
        self.place = FrameState::Ended;
        self.input = BytesMut::new();
        self.partial = None;
    }

    /// Whether a message of so many bytes can be sent by `message`; otherwise it is to be deferred.
    pub fn sends_at_once(&self, len: usize) -> bool {
        !self.has_outgoing() && (self.deflate.is_none() || len <= COMPRESS_AT_ONCE)
    }

    /// A message that is sent behind all earlier ones, by `poll_outgoing`.
    pub fn defer(&mut self, message: Message) {
        let outgoing = self.outgoing.get_or_insert_default();
        outgoing.queue.push_back(message);
    }

    /// They cannot arrive any more.
    pub fn drop_outgoing(&mut self) {
        self.outgoing = None;
    }

    pub fn has_outgoing(&self) -> bool {
        self.outgoing.is_some()
    }

    /// A step towards the next frame of a deferred message.
    pub fn poll_outgoing(&mut self) -> OutgoingStep {
        let Some(outgoing) = &mut self.outgoing else {
            return OutgoingStep::Nothing;
        };
        let deflation = match (outgoing.deflation.take(), &self.deflate) {
            (Some(deflation), _) => deflation,
            (None, deflate) => {
                let Some(message) = outgoing.queue.pop_front() else {
                    self.outgoing = None;
                    return OutgoingStep::Nothing;
                };
                match deflate {
                    Some(deflate) if message.data.len() >= COMPRESS_FROM => {
                        (deflate.codecs).begin_deflation(&deflate.sent, message)
                    }
                    _ => {
                        let head = FrameHead::new(message.kind, false, message.data.len());
                        return self.sent(head, message.data);
                    }
                }
            }
        };
        self.deflate_further(deflation)
    }

    fn deflate_further(&mut self, mut deflation: Deflation) -> OutgoingStep {
        let (Some(deflate), Some(outgoing)) = (&mut self.deflate, &mut self.outgoing) else {
            return OutgoingStep::Nothing;
        };
        let before = deflation.work();
        let is_complete = deflate.codecs.step_deflation(&mut deflation);
        self.work += deflation.work() - before;
        if !is_complete {
            outgoing.deflation = Some(deflation);
            return OutgoingStep::InProgress;
        }
        let kind = deflation.kind();
        let payload = (deflate.codecs).finish_deflation(&mut deflate.sent, deflation);
        self.sent(FrameHead::new(kind, true, payload.len()), payload)
    }

    fn sent(&mut self, head: FrameHead, payload: Bytes) -> OutgoingStep {
        let is_last = |outgoing: &mut Box<Outgoing>| outgoing.queue.is_empty();
        self.outgoing.take_if(is_last);
        OutgoingStep::Frame(head, payload)
    }

    /// A message as one frame, to be written: first the head, then the replacement of `data`, or `data` itself.
    pub fn message(&mut self, kind: MessageKind, data: &[u8]) -> (FrameHead, Option<Vec<u8>>) {
        if let Some(deflate) = &mut self.deflate
            && data.len() >= COMPRESS_FROM
        {
            let compressed = deflate.codecs.deflate(&mut deflate.sent, data);
            return (
                FrameHead::new(kind, true, compressed.len()),
                Some(compressed),
            );
        }
        (FrameHead::new(kind, false, data.len()), None)
    }

    /// Bytes that are held for a message in progress.
    pub fn buffered(&self) -> usize {
        let inflating = match &self.place {
            FrameState::Inflating(inflation) => inflation.buffered(),
            _ => 0,
        };
        inflating
            + self.input.len()
            + self
                .partial
                .as_ref()
                .map_or(0, |partial| partial.data.len())
    }
}
