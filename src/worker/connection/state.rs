//! The state of a connection that is not specific to one request.

use std::sync::Arc;

use bytes::{Buf, BytesMut};

use super::pending_body::PendingBody;
use super::share::TurnShare;
use super::stream::Stream;
use crate::config::Http2;
use crate::http::{self, Policy};
use crate::http2::Session;
use crate::worker::timers::Tick;
use crate::worker::transport::Transport;
use crate::worker::websocket::Ws;

/// Unsent bytes above which `send` waits, and unread body bytes above which the socket is not read.
pub const HIGH_WATER: usize = 64 * 1024;
/// Unsent bytes below which a waiting `send` resumes.
pub const LOW_WATER: usize = 16 * 1024;
/// Bytes of an unread request body that are discarded to keep the connection.
pub const DISCARD_LIMIT: usize = 64 * 1024;

/// Phase of a connection's life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConnectionMode {
    /// Between requests, or in the middle of a head.
    Head,
    /// A request is with the app and its response is incomplete.
    Exchange,
    /// The app has accepted a WebSocket.
    WebSocket,
    /// Requests are in streams, each of them a connection of its own.
    Http2,
    /// The app has taken over the socket; it is closed when the app has finished the request.
    HandedOver,
    /// The app has finished the request; other threads of it may still send the last bytes.
    GivenBack,
    /// The response is complete; the rest of the request body is discarded, up to so many bytes.
    Discard(usize),
    /// The last response is being written.
    Closing(CloseKind),
    /// Our FIN is sent; bytes are discarded until the client's FIN, so that no reset overtakes the response.
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

impl Opening {
    /// Of a client that speaks HTTP from the first byte on.
    pub fn of_http(http2: Http2) -> Self {
        match http2 {
            Http2::PriorKnowledge => Self::Preface,
            Http2::Auto | Http2::Off => Self::Over,
        }
    }
}

/// How a connection is closed once everything is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CloseKind {
    /// The client expects it and sends nothing more.
    Plain,
    /// The client may still be sending.
    Lingering,
}

pub struct ConnectionState {
    pub transport: Transport,
    pub http: http::Connection,
    /// From the handshake on.
    pub ws: Option<Box<Ws>>,
    /// In `Mode::Http2`.
    pub http2: Option<Box<Session>>,
    pub mode: ConnectionMode,
    pub opening: Opening,
    /// The peer's FIN was read.
    pub read_ended: bool,
    /// What we write cannot arrive.
    pub write_closed: bool,
    /// The client does not expect the end of this connection.
    pub closed_by_us: bool,
    /// The bytes in `out` wait for the end of the app's step, not for the socket.
    pub holds: bool,
    /// The step that last wrote something.
    pub written_in: u64,
    /// Written by the app, not yet taken by the socket.
    pub out: BytesMut,
    /// Follows what is in `out`. Boxed, as all that few requests have: with the rest a connection is small enough for the allocator's
    /// per-thread cache, and every stream of HTTP/2 is one.
    pub pending: Option<Box<PendingBody>>,
    /// The request in progress, or the last one.
    pub stream: Stream,
    /// Of the reactor's current turn.
    pub share: TurnShare,
    /// The tick for which it is in the timer table.
    pub scheduled: Tick,
    pub clock: ConnectionClock,
}

/// Monotonic milliseconds of the last progress of each kind; used in `timeouts`.
#[derive(Debug)]
pub struct ConnectionClock {
    /// Accept, or the end of the last response.
    pub idle_since: u64,
    /// The idle connection has released its buffers.
    pub released: bool,
    /// First byte of the head in progress; `None`: not received yet.
    pub head_since: Option<u64>,
    pub write_progress: u64,
    /// Bytes that the kernel held at the last check, for a client that has not read everything.
    pub untaken: usize,
    /// The client's FIN after a complete request: it has disconnected, or has only closed its side.
    pub fin_at: Option<u64>,
    /// Start of `Closing`, `Linger` or `Discard`.
    pub ending_since: u64,
    /// No request has arrived on this connection.
    pub fresh: bool,
}

impl ConnectionClock {
    /// Since when it is idle, if it is: its last response was complete, and all of it was sent.
    pub fn inactive_since(&self) -> u64 {
        self.idle_since.max(self.write_progress)
    }

    /// Since when nothing has happened on a connection whose response is complete.
    pub fn ended_since(&self) -> u64 {
        self.ending_since.max(self.write_progress)
    }
}

impl ConnectionState {
    pub fn new(transport: Transport, policy: Arc<Policy>, now: u64) -> Self {
        Self {
            transport,
            http: http::Connection::new(policy),
            ws: None,
            http2: None,
            mode: ConnectionMode::Head,
            opening: Opening::Over,
            read_ended: false,
            write_closed: false,
            closed_by_us: false,
            holds: false,
            written_in: 0,
            out: BytesMut::new(),
            pending: None,
            stream: Stream::default(),
            share: TurnShare::default(),
            scheduled: Tick::NEVER,
            clock: ConnectionClock {
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

    /// The current response, or the next one, is the last one, and announces it.
    pub fn close_after_answer(&mut self) {
        self.http.set_close();
        self.closed_by_us = true;
    }

    /// Something waits for the client to read.
    pub fn is_unsent(&self) -> bool {
        !self.out.is_empty() || self.pending.is_some() || self.transport.is_unsent()
    }

    /// A slow client reads from the kernel's buffer, which may hold megabytes, long before there is room for us to write: that is progress,
    /// too.
    pub fn notice_reading(&mut self, now: u64) {
        let Some(untaken) = self.transport.untaken() else {
            return;
        };
        if untaken < self.clock.untaken {
            self.clock.write_progress = now;
        }
        self.clock.untaken = untaken;
    }

    /// Whether the client still reads what the kernel holds of the last response, so that it is not idle. Without progress only for
    /// as long as `limit`, in milliseconds.
    pub fn still_reads(&mut self, now: u64, limit: u64) -> bool {
        self.notice_reading(now);
        self.clock.untaken > 0 && now.saturating_sub(self.clock.inactive_since()) < limit
    }

    /// Drops `count` bytes of the output that the socket took.
    pub fn sent(&mut self, count: usize) {
        self.out.advance(count);
        if self.out.is_empty() {
            // Its memory is released: an idle connection holds no buffer.
            self.out = BytesMut::new();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Conn;

    /// glibc's malloc keeps freed blocks up to this size, in bytes, for the thread that has freed them.
    const CACHED: usize = 1032;

    #[test]
    fn a_connection_fits_into_the_allocators_cache() {
        let counts = 2 * size_of::<usize>();
        assert!(size_of::<Conn>() + counts <= CACHED);
    }
}
