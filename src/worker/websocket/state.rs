//! The state of a connection's WebSocket.

use std::collections::VecDeque;

use crate::websocket::{Close, Deflate, Message, WebSocketConnection};
use crate::worker::ledger::Upgraded;

/// Bounds on unread messages: above either the socket is not read, below both it is read again.
const MOST_BYTES: usize = 64 * 1024;
const MOST_MESSAGES: usize = 32;

/// Kept until the app accepts.
pub struct Handshake {
    pub accept: [u8; 28],
    pub deflate: Option<Deflate>,
    pub protocols: Vec<Box<[u8]>>,
}

pub enum WebSocketPhase {
    /// The app has not accepted or rejected it.
    Handshake(Box<Handshake>),
    Open,
    /// The client's close frame has arrived (at that time, in monotonic milliseconds) and is answered when the app
    /// has received the messages before it: an echo of the last message still reaches the client.
    Answering(u64, Close),
    /// Our close frame is sent, the client's has been awaited since (monotonic milliseconds).
    Closing(u64),
    /// No more frames are sent or expected.
    Over,
}

/// How it ended, as reported to the app.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebSocketEnd {
    pub code: u16,
    pub reason: String,
}

impl WebSocketEnd {
    /// From the client's close frame.
    pub fn of(close: Close) -> Self {
        Self {
            code: close.code.unwrap_or(1005),
            reason: close.reason,
        }
    }

    /// The connection was lost, or never established.
    pub fn abnormal() -> Self {
        Self {
            code: 1006,
            reason: String::new(),
        }
    }
}

/// A close frame that waits for the messages before it.
#[derive(Debug)]
pub enum CloseDue {
    Ours { code: u16, reason: String },
    Answer,
}

pub struct Ws {
    pub phase: WebSocketPhase,
    /// The `connect` event was passed to the app.
    pub connect_told: bool,
    /// `None` in the handshake.
    pub frames: Option<WebSocketConnection>,
    pub queue: VecDeque<Message>,
    /// Bytes in the queue.
    pub queued: usize,
    /// The queue was full and has not become half empty since.
    pub paused: bool,
    pub ended: Option<WebSocketEnd>,
    /// What follows the messages that are deferred.
    pub due: Option<CloseDue>,
    /// Payload bytes of messages, as sent by the app.
    pub sent: u64,
    /// Bytes have arrived since the last tick.
    pub heard: bool,
    /// When the unanswered ping was sent, and when the next is due (monotonic milliseconds).
    pub pinged: Option<u64>,
    pub next_ping: u64,
    /// When a draining worker closes it.
    pub leaves_at: Option<u64>,
    /// Its ledger entry, once the app has accepted.
    pub upgraded: Option<Upgraded>,
}

impl Ws {
    pub fn new(handshake: Handshake) -> Self {
        Self {
            phase: WebSocketPhase::Handshake(Box::new(handshake)),
            connect_told: false,
            frames: None,
            queue: VecDeque::new(),
            queued: 0,
            paused: false,
            ended: None,
            due: None,
            sent: 0,
            heard: false,
            pinged: None,
            next_ping: u64::MAX,
            leaves_at: None,
            upgraded: None,
        }
    }

    pub fn is_open(&self) -> bool {
        matches!(self.phase, WebSocketPhase::Open)
    }

    /// Messages of the app are on their way to the output.
    pub fn has_outgoing(&self) -> bool {
        (self.frames.as_ref()).is_some_and(WebSocketConnection::has_outgoing)
    }

    /// Whether messages may be sent.
    pub fn may_send(&self) -> bool {
        matches!(
            self.phase,
            WebSocketPhase::Open | WebSocketPhase::Answering(..)
        )
    }

    /// No more frames are sent or expected.
    pub fn end(&mut self, ended: WebSocketEnd) {
        self.phase = WebSocketPhase::Over;
        self.ended.get_or_insert(ended);
        self.frames = None;
    }

    pub fn push(&mut self, message: Message) {
        self.queued += message.data.len();
        self.queue.push_back(message);
        self.paused = self.queued >= MOST_BYTES || self.queue.len() >= MOST_MESSAGES;
    }

    /// The next message, and whether the socket is to be read again.
    pub fn pop(&mut self) -> Option<(Message, bool)> {
        let message = self.queue.pop_front()?;
        self.queued -= message.data.len();
        let room = self.queued < MOST_BYTES / 2 && self.queue.len() < MOST_MESSAGES / 2;
        if self.queue.is_empty() {
            // An idle connection holds no queue.
            self.queue = VecDeque::new();
        }
        Some((message, room && std::mem::take(&mut self.paused)))
    }
}
