//! What a connection knows of its WebSocket. It decides nothing.

use std::collections::VecDeque;

use crate::websocket::{Close, Connection, Deflate, Message};
use crate::worker::ledger::Upgraded;

/// Unread messages above either of which the socket is left alone, and below which it is read again.
const MOST_BYTES: usize = 64 * 1024;
const MOST_MESSAGES: usize = 32;

/// What is to be remembered until the app accepts.
pub struct Handshake {
    pub accept: [u8; 28],
    pub deflate: Option<Deflate>,
    pub protocols: Vec<Box<[u8]>>,
}

pub enum Phase {
    /// The app has not decided.
    Handshake(Box<Handshake>),
    Open,
    /// The client's close frame is here (since, in monotonic milliseconds) and will be answered when the app has seen what
    /// came before it: an echo of the last message still reaches the client.
    Answering(u64, Close),
    /// Our close frame is sent, the client's awaited since (monotonic milliseconds).
    Closing(u64),
    /// No frame is sent or expected any more.
    Over,
}

/// How it ended, as the app is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ended {
    pub code: u16,
    pub reason: String,
}

pub struct Ws {
    pub phase: Phase,
    /// The app was told that a client is there.
    pub connect_told: bool,
    /// `None` in the handshake.
    pub frames: Option<Connection>,
    pub queue: VecDeque<Message>,
    /// Bytes in the queue.
    pub queued: usize,
    /// The queue was full and has not become half empty since.
    pub paused: bool,
    pub ended: Option<Ended>,
    /// Of messages, as sent by the app.
    pub sent: u64,
    /// Bytes came since the last look of the clock.
    pub heard: bool,
    /// When a ping was sent that nothing has answered, and when the next is due (monotonic milliseconds).
    pub pinged: Option<u64>,
    pub next_ping: u64,
    /// A draining worker closes it then.
    pub leaves_at: Option<u64>,
    /// In the ledger, once the app has accepted.
    pub upgraded: Option<Upgraded>,
}

impl Ws {
    pub fn new(handshake: Handshake) -> Self {
        Self {
            phase: Phase::Handshake(Box::new(handshake)),
            connect_told: false,
            frames: None,
            queue: VecDeque::new(),
            queued: 0,
            paused: false,
            ended: None,
            sent: 0,
            heard: false,
            pinged: None,
            next_ping: u64::MAX,
            leaves_at: None,
            upgraded: None,
        }
    }

    pub fn is_open(&self) -> bool {
        matches!(self.phase, Phase::Open)
    }

    /// Whether messages may be sent.
    pub fn may_send(&self) -> bool {
        matches!(self.phase, Phase::Open | Phase::Answering(..))
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
