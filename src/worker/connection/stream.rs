//! What belongs to one request of a connection, and not to the connection.

use super::body::{Body, BodyState};
use super::pace::Pace;
use crate::worker::ledger::{Entry, Upgraded};

/// Whom to tell when something changes.
#[derive(Debug, Default)]
pub struct Waits {
    /// An app waits in `receive`.
    pub receive: bool,
    /// An app waits in `send`.
    pub send: bool,
}

/// The request in progress, or the last one.
#[derive(Default)]
pub struct Stream {
    /// Which of the connection's requests it is; zero: none has come.
    pub number: u64,
    pub body: Body,
    /// How fast that comes.
    pub pace: Pace,
    /// Monotonic milliseconds of the body's last progress.
    pub body_progress: u64,
    pub waits: Waits,
    /// The app was, or is to be, told that the client has left.
    pub left: bool,
    /// It was told: it gets an error for what it sends.
    pub told: bool,
    /// The answer comes from elsewhere, whatever becomes of the app.
    pub promised: bool,
    /// A thread of the pool compresses what the app has sent.
    pub coding: bool,
    /// Its response head has waited for its body for a whole tick.
    pub head_waited: bool,
    /// Open as long as the request is in flight.
    pub entry: Option<Entry>,
    /// Its line is to be written when the app, which has taken the connection, is done with it.
    pub upgraded: Option<Upgraded>,
}

impl Stream {
    /// The one after this one, at `now` in monotonic milliseconds.
    pub fn next(&self, has_body: bool, now: u64) -> Self {
        let mut next = Self {
            number: self.number + 1,
            body_progress: now,
            ..Self::default()
        };
        if has_body {
            next.body.state = BodyState::Open;
        }
        next
    }
}
