//! The state of one request of a connection.

use super::body::{BodyState, RequestBody};
use super::pace::Pace;
use crate::worker::ledger::{Entry, Upgraded};
use crate::worker::pool::PoolJob;

/// What the app waits for.
#[derive(Debug, Default)]
pub struct AppWaits {
    /// The app waits in `receive`.
    pub receive: bool,
    /// The app waits in `send`.
    pub send: bool,
}

/// The request in progress, or the last one.
#[derive(Default)]
pub struct Stream {
    /// Ordinal of the request on its connection; zero: none yet.
    pub number: u64,
    pub body: RequestBody,
    /// Rate at which the body arrives.
    pub pace: Pace,
    /// Monotonic milliseconds of the body's last progress.
    pub body_progress: u64,
    pub waits: AppWaits,
    /// The app was notified, or is to be, that the client has disconnected.
    pub left: bool,
    /// The app was notified: it gets an error for what it sends.
    pub end_reported: bool,
    /// Its whole response was passed to the connection.
    pub answered: bool,
    /// A thread of the file pool sends the response, whatever the app does.
    pub promised: bool,
    /// A thread of the pool compresses what the app has sent.
    pub coding: bool,
    /// Continues that when the client has read.
    pub parked: Option<PoolJob>,
    /// Its response head has waited for the body for a whole tick.
    pub head_waited: bool,
    /// Set as long as the request is in flight.
    pub entry: Option<Entry>,
    /// Its access log line is written when the app, which has taken over the connection, has finished the request.
    pub upgraded: Option<Box<Upgraded>>,
}

impl Stream {
    /// The stream after this one, at `now` in monotonic milliseconds.
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
