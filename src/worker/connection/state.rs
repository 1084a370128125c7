//! What belongs to a connection, whichever of its requests is in progress.

use std::sync::Arc;

use bytes::{Buf, BytesMut};

use super::part::Part;
use super::share::Share;
use super::stream::Stream;
use crate::http::{self, Policy};
use crate::http2::Session;
use crate::worker::timers::Tick;
use crate::worker::transport::Transport;
use crate::worker::websocket::Ws;

/// Unsent bytes above which `send` waits, and unread body bytes above which the socket is left alone.
pub const HIGH_WATER: usize = 64 * 1024;
/// Unsent bytes below which a waiting `send` goes on.
pub const LOW_WATER: usize = 16 * 1024;
/// How much of a request body that nobody reads is taken from the socket to keep the connection.
pub const DISCARD_LIMIT: usize = 64 * 1024;

/// Where a connection is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Between requests, or in the middle of a head.
    Head,
    /// A request is with the app and its response is not complete.
    Exchange,
    /// The app has accepted a WebSocket: there are frames now.
    WebSocket,
    /// Requests are in streams, each of them a connection of its own.
    Http2,
    /// The app has taken the socket; it is closed when the app is done with the request.
    HandedOver,
    /// The app is done with the socket that it took; other threads of it may have some last bytes for the client.
    GivenBack,
    /// The response is complete; the rest of the request body is read and dropped, up to so many bytes.
    Discard(usize),
    /// The last answer is being written.
    Closing(Goodbye),
    /// Our FIN is sent; bytes are dropped until the client's FIN, so that no reset overtakes the answer.
    Linger,
    Closed,
}

/// What a connection may begin with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Opening {
    /// The PROXY header comes before the first request.
    ProxyHeader,
    /// The client may begin with HTTP/2's preface.
    Preface,
    Over,
}

/// How a connection is closed once everything is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Goodbye {
    /// The client expects it and has nothing more to say.
    Plain,
    /// The client may still be sending.
    Lingering,
}

pub struct State {
    pub transport: Transport,
    pub http: http::Connection,
    /// From the handshake on.
    pub ws: Option<Box<Ws>>,
    /// In `Mode::Http2`.
    pub http2: Option<Box<Session>>,
    pub mode: Mode,
    pub opening: Opening,
    /// The peer's FIN was read.
    pub read_ended: bool,
    /// What we write does not arrive.
    pub write_closed: bool,
    /// The client does not expect the end of this connection.
    pub closed_by_us: bool,
    /// What is in `out` waits for the end of the app's step, not for the socket.
    pub holds: bool,
    /// The step in which something was written last.
    pub written_in: u64,
    /// Written by the app, not yet taken by the socket.
    pub out: BytesMut,
    /// Follows what is in `out`.
    pub part: Option<Part>,
    /// The request in progress, or the last one.
    pub stream: Stream,
    /// Of the reactor's turn.
    pub share: Share,
    /// The tick for which it stands in the table of timers.
    pub scheduled: Tick,
    pub clock: Clock,
}

/// Monotonic milliseconds of the last progress of each kind; see `timeouts`.
#[derive(Debug)]
pub struct Clock {
    /// Accept, or the end of the last response.
    pub idle_since: u64,
    /// An idle connection has given its buffers back.
    pub released: bool,
    /// First byte of the head in progress; `None`: no byte yet.
    pub head_since: Option<u64>,
    pub write_progress: u64,
    /// What the kernel held at the last look, of a client that has not taken everything.
    pub untaken: usize,
    /// The client's FIN after a complete request: it has left, or has only closed its side.
    pub fin_at: Option<u64>,
    /// `Closing`, `Linger` and `Discard` began.
    pub ending_since: u64,
    /// No request has come on this connection.
    pub fresh: bool,
}

impl State {
    pub fn new(transport: Transport, policy: Arc<Policy>, now: u64) -> Self {
        Self {
            transport,
            http: http::Connection::new(policy),
            ws: None,
            http2: None,
            mode: Mode::Head,
            opening: Opening::Over,
            read_ended: false,
            write_closed: false,
            closed_by_us: false,
            holds: false,
            written_in: 0,
            out: BytesMut::new(),
            part: None,
            stream: Stream::default(),
            share: Share::default(),
            scheduled: Tick::NEVER,
            clock: Clock {
                idle_since: now,
                released: false,
                head_since: None,
                write_progress: now,
                untaken: 0,
                fin_at: None,
                ending_since: now,
                fresh: true,
            },
        }
    }

    /// The answer still to come, or the next one, is the last one, and says so.
    pub fn close_after_answer(&mut self) {
        self.http.set_close();
        self.closed_by_us = true;
    }

    /// Something waits for the client to take more.
    pub fn is_unsent(&self) -> bool {
        !self.out.is_empty() || self.part.is_some() || self.transport.is_unsent()
    }

    /// Forgets `count` bytes of the output that the socket took.
    pub fn sent(&mut self, count: usize) {
        self.out.advance(count);
        if self.out.is_empty() {
            // Its memory goes back: an idle connection holds no buffer.
            self.out = BytesMut::new();
        }
    }
}
