//! A connection whose socket the app has taken over: `environ["gunicorn.socket"]`.

use std::os::fd::OwnedFd;
use std::sync::Arc;

use bytes::Bytes;

use super::Conn;
use super::body::BodyState;
use super::state::{ConnectionMode, ConnectionState};
use crate::http::{self, ResponseState};
use crate::worker::drain::DrainStage;
use crate::worker::transport::ReadResult;

/// Milliseconds between the end of the app's request and the close of its connection: simple-websocket answers a
/// close frame in a thread of its own, while the request is ending.
pub const LAST_BYTES: u64 = 100;

/// Reads of bytes that the app has not read, at the end.
const MOST_READS: usize = 16;

impl Conn {
    /// Returns a duplicate of the socket's descriptor for the app, and the bytes that were read behind the request.
    /// From here on nothing is read or written here; our own descriptor stays open, so that the connection is counted
    /// and can be closed. `None`: the response has begun, the request's body was not read, or the client has
    /// disconnected.
    pub(in crate::worker) fn hand_over(
        self: &Arc<Self>,
        s: &mut ConnectionState,
    ) -> Option<(OwnedFd, Bytes)> {
        let is_untouched = s.stream.body.state == BodyState::Complete
            && s.stream.body.buffered() == 0
            && s.http.response_state() == ResponseState::NotStarted;
        if !is_untouched || s.is_unsent() || s.write_closed {
            return None;
        }
        let fd = s.transport.duplicate()?;
        let fresh = http::Connection::new(self.net.policy.clone());
        let read = std::mem::replace(&mut s.http, fresh).into_upgraded();
        s.mode = ConnectionMode::HandedOver;
        let (ledger, status) = (&self.net.ledger, self.status_of_switch());
        s.stream.upgraded = s
            .stream
            .entry
            .take()
            .map(|entry| Box::new(ledger.upgrade(entry, status)));
        Some((fd, read))
    }

    /// The worker exits: the app's next read returns EOF, as if its client had disconnected.
    pub fn end_handed_over(&self) {
        let s = self.lock();
        if s.mode == ConnectionMode::HandedOver {
            s.transport.end_reading();
        }
    }

    pub(super) fn handed_over_tick(self: &Arc<Self>, s: &mut ConnectionState, now: u64) {
        if s.mode == ConnectionMode::GivenBack {
            if now.saturating_sub(s.clock.ending_since) >= LAST_BYTES {
                self.close_handed_over(s);
            }
        } else if self.net.drain.stage() != DrainStage::Serving
            && now >= self.net.drain.idle_until()
        {
            s.transport.end_reading();
        }
    }

    /// The app has finished the request.
    pub(in crate::worker) fn take_back(self: &Arc<Self>, s: &mut ConnectionState) {
        self.record_handed_over(s);
        s.mode = ConnectionMode::GivenBack;
        s.clock.ending_since = self.net.now();
        self.advance(s);
    }

    /// Closes a handed-over connection; what the app has written is still sent, whatever duplicates of the descriptor
    /// exist.
    pub(super) fn close_handed_over(self: &Arc<Self>, s: &mut ConnectionState) {
        if !matches!(
            s.mode,
            ConnectionMode::HandedOver | ConnectionMode::GivenBack
        ) {
            return;
        }
        // Closing a socket with unread bytes would send a reset, and its last bytes would be lost. What a client
        // sends after this is ignored.
        for _ in 0..MOST_READS {
            if !matches!(s.transport.discard(), ReadResult::Bytes(_)) {
                break;
            }
        }
        self.shut(s);
    }

    /// Writes its line of the access log.
    pub(super) fn record_handed_over(self: &Arc<Self>, s: &mut ConnectionState) {
        if let Some(upgraded) = s.stream.upgraded.take() {
            self.net
                .ledger
                .end_upgraded(*upgraded, 0, self.logged_client());
        }
    }
}
