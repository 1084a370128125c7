//! One HTTP/2 connection of a server, without a socket: h2 between two buffers.

use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use bytes::{Bytes, BytesMut};
use h2::server::{Builder, Connection, Handshake, SendResponse};
use h2::{Reason, RecvStream};

use super::frames::{CountedFrames, FrameBudget, UsedUp};
use super::pipe::Pipe;
use super::preface::PREFACE;
use super::request::{self, StreamPurpose};
use super::resets::Resets;
use crate::http::BodyPresence;

/// How many bytes of unread bodies all streams may hold together, however many there may be: a few large windows are below the least, and many above the most.
const CONNECTION_WINDOWS: std::ops::RangeInclusive<u32> = 1024 * 1024..=16 * 1024 * 1024;
/// How many bytes of a response are buffered while the connection is busy, for each stream.
pub const SEND_BUFFER: usize = 64 * 1024;

/// For pieces of bodies that no stream has gathered yet: one of n bytes, if that is less than 256, takes 256 - n from it while h2 keeps it.
/// This suffices for 8,000 of the smallest, more than a turn reads: four megabytes, as h2 keeps them in a table that doubles.
const PIECES_BUDGET: usize = 2 * 1024 * 1024;

/// A client's limits (RFC 9113 §6.5.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Http2Limits {
    pub concurrent_streams: u32,
    pub stream_window: u32,
    pub frame_size: u32,
    pub header_list_size: u32,
    /// RFC 8441 is supported.
    pub websockets: bool,
}

impl Http2Limits {
    /// Bytes of unread bodies that all streams may hold together: streams whose app does not read leave room for the others, as far as
    /// memory is bounded.
    pub fn connection_window(&self) -> u32 {
        let all = self.concurrent_streams.saturating_mul(self.stream_window);
        all.clamp(*CONNECTION_WINDOWS.start(), *CONNECTION_WINDOWS.end())
            .max(self.stream_window)
    }
}

pub struct Session {
    /// To be read into; `admit` counts its frames, and `next` takes it.
    pub input: BytesMut,
    /// Of `input`: bytes that were counted.
    admitted: usize,
    /// Of these: bytes at the end that are an incomplete header.
    partial: usize,
    budget: FrameBudget,
    /// Why it was aborted.
    abandoned: Option<Reason>,
    state: SessionState,
    pipe: Pipe,
    resets: Resets,
    waker: Waker,
}

enum SessionState {
    Preface(Handshake<Pipe, Bytes>),
    Open(Connection<Pipe, Bytes>),
    Over,
}

/// What a session does next.
#[derive(Debug)]
pub enum SessionStep {
    Request(Arrived),
    /// Nothing before more bytes come, or a stream has something.
    Idle,
    /// The end, and nothing is to be written but earlier output; the reason for the log where the client is at fault.
    Over(Option<Reason>),
}

/// A request, and the stream that carries it.
#[derive(Debug)]
pub struct Arrived {
    /// The stream's, never zero.
    pub number: u32,
    /// In the form of HTTP/1.1.
    pub head: BytesMut,
    pub content: BodyPresence,
    /// The rest of the request; `None`: nothing follows.
    pub body: Option<RecvStream>,
    pub answer: SendResponse<Bytes>,
    /// For a response that ends before it is complete.
    pub resets: Resets,
    pub is_head: bool,
}

impl Session {
    /// `waker` is woken when `next` is to be called although no bytes have come; `now` in monotonic milliseconds.
    pub fn new(limits: &Http2Limits, waker: Waker, now: u64) -> Self {
        let pipe = Pipe::default();
        let mut builder = Builder::new();
        builder
            .max_concurrent_streams(limits.concurrent_streams)
            .initial_window_size(limits.stream_window)
            .initial_connection_window_size(limits.connection_window())
            .max_frame_size(limits.frame_size)
            .max_header_list_size(limits.header_list_size)
            .max_send_buffer_size(SEND_BUFFER)
            .data_frame_budget(PIECES_BUDGET);
        if limits.websockets {
            builder.enable_connect_protocol();
        }
        Self {
            input: BytesMut::new(),
            admitted: 0,
            partial: 0,
            abandoned: None,
            budget: FrameBudget::new(PREFACE.len(), now),
            state: SessionState::Preface(builder.handshake(pipe.clone())),
            pipe,
            resets: Resets::new(waker.clone()),
            waker,
        }
    }

    /// Counts the frames that have come since the last call. With too many the session ends with ENHANCE_YOUR_CALM, and the input
    /// is not processed.
    pub fn admit(&mut self, now: u64) -> CountedFrames {
        let mut frames = CountedFrames::default();
        match self.budget.spend(&mut self.input, self.admitted, now) {
            Ok(counted) => (self.partial, frames) = (counted.partial, counted),
            Err(UsedUp) => {
                self.input.clear();
                self.partial = 0;
                self.abandon(Reason::ENHANCE_YOUR_CALM);
            }
        }
        self.admitted = self.input.len();
        frames
    }

    /// The head of a request has begun and not ended.
    pub fn is_within_head(&self) -> bool {
        self.budget.is_within_head()
    }

    /// The client sends no more, and all streams end: to be followed by `next`. False: this was said before, or there is more to write.
    pub fn end_input(&mut self) -> bool {
        !self.pipe.is_full() && self.pipe.end()
    }

    /// How much may be written until `take_output`, and how much more if input cannot be processed otherwise.
    pub fn set_room(&mut self, room: usize, reserve: usize) {
        self.pipe.set_room(room, reserve);
    }

    /// Whether more input may come: what has come is processed, as far as it is complete.
    pub fn takes_input(&self) -> bool {
        self.pipe.is_read()
    }

    /// There is more to write than there was room.
    pub fn is_full(&self) -> bool {
        self.pipe.is_full()
    }

    pub fn take_output(&mut self) -> BytesMut {
        let output = self.pipe.take();
        self.budget.wrote(&output);
        output
    }

    /// Frees the memory of empty buffers.
    pub fn release_buffers(&mut self) {
        self.pipe.release();
        if self.input.is_empty() {
            self.input = BytesMut::new();
        }
    }

    /// To be called until it is `Idle` or `Over`.
    pub fn next(&mut self) -> SessionStep {
        let whole = self.admitted - self.partial;
        if whole > 0 {
            self.pipe.feed(self.input.split_to(whole));
            self.admitted = self.partial;
        }
        let mut context = Context::from_waker(&self.waker);
        loop {
            match &mut self.state {
                SessionState::Preface(handshake) => match Pin::new(handshake).poll(&mut context) {
                    Poll::Pending => return SessionStep::Idle,
                    Poll::Ready(Ok(connection)) => self.state = SessionState::Open(connection),
                    Poll::Ready(Err(error)) => return self.over(&error),
                },
                SessionState::Open(connection) => match connection.poll_accept(&mut context) {
                    Poll::Pending if self.pipe.let_read() => {}
                    Poll::Pending if !self.pipe.is_full() && self.resets.apply() => {}
                    Poll::Pending => return SessionStep::Idle,
                    Poll::Ready(Some(Ok((request, answer)))) => {
                        if let Some(arrived) = arrived(request, answer, &self.resets) {
                            return SessionStep::Request(arrived);
                        }
                    }
                    Poll::Ready(Some(Err(error))) => return self.over(&error),
                    Poll::Ready(None) => {
                        self.state = SessionState::Over;
                        return SessionStep::Over(self.abandoned.filter(is_fault));
                    }
                },
                SessionState::Over => return SessionStep::Over(self.abandoned.filter(is_fault)),
            }
        }
    }

    fn over(&mut self, error: &h2::Error) -> SessionStep {
        self.state = SessionState::Over;
        // An end of the connection at any point is no fault.
        let reason = if error.is_io() { None } else { error.reason() };
        SessionStep::Over(reason.filter(is_fault))
    }

    /// GOAWAY with the last possible number, and the real one when the client has answered a ping (RFC 9113 §6.8): over when all
    /// streams have ended. To be followed by `next`.
    pub fn leave(&mut self) {
        if let SessionState::Open(connection) = &mut self.state {
            connection.graceful_shutdown();
        }
    }

    /// GOAWAY, and over. To be followed by `next`.
    pub fn abandon(&mut self, reason: Reason) {
        self.abandoned = Some(reason);
        match &mut self.state {
            SessionState::Open(connection) => connection.abrupt_shutdown(reason),
            SessionState::Preface(_) => self.state = SessionState::Over,
            SessionState::Over => {}
        }
    }
}

fn is_fault(reason: &Reason) -> bool {
    *reason != Reason::NO_ERROR
}

/// `None`: not a valid request, and its stream was reset.
fn arrived(
    request: http_types::Request<RecvStream>,
    mut answer: SendResponse<Bytes>,
    resets: &Resets,
) -> Option<Arrived> {
    let Some((head, purpose)) = request::head(&request) else {
        answer.send_reset(Reason::PROTOCOL_ERROR);
        return None;
    };
    let is_head = request.method() == http_types::Method::HEAD;
    let body = request.into_body();
    let follows = !body.is_end_stream();
    Some(Arrived {
        number: answer.stream_id().as_u32(),
        head,
        // Data after a handshake is no content of the request.
        content: if follows && purpose == StreamPurpose::Request {
            BodyPresence::Follows
        } else {
            BodyPresence::None
        },
        body: follows.then_some(body),
        answer,
        resets: resets.clone(),
        is_head,
    })
}
