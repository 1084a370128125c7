//! A connection whose socket the app has taken over: `environ["gunicorn.socket"]`.

use std::os::fd::OwnedFd;

use bytes::Bytes;

use super::body::BodyState;
use super::conn::Conn;
use super::ending;
use super::state::{ConnectionMode, ConnectionState};
use crate::http::{self, ResponseState};
use crate::worker::drain::DrainStage;
use crate::worker::transport::ReadResult;

/// Milliseconds between the end of the app's request and the close of its connection: simple-websocket answers a
/// close frame in a thread of its own, while the request is ending.
pub(super) const LAST_BYTES: u64 = 100;

/// Reads of bytes that the app has not read, at the end.
const MOST_READS: usize = 16;

/// Returns a duplicate of the socket's descriptor for the app, and the bytes that were read behind the request.
/// From here on nothing is read or written here; our own descriptor stays open, so that the connection is counted
/// and can be closed. `None`: the response has begun, the request's body was not read, or the client has
/// disconnected.
pub(in crate::worker) fn hand_over(
    conn: &Conn,
    s: &mut ConnectionState,
) -> Option<(OwnedFd, Bytes)> {
    let is_untouched = s.stream.body.state == BodyState::Complete
        && s.stream.body.buffered() == 0
        && s.http.response_state() == ResponseState::NotStarted;
    if !is_untouched || s.is_unsent() || s.write_closed {
        return None;
    }
    let fd = s.transport.duplicate()?;
    let fresh = http::Connection::new(conn.net.policy.clone());
    let read = std::mem::replace(&mut s.http, fresh).into_upgraded();
    s.mode = ConnectionMode::HandedOver;
    let (ledger, status) = (&conn.net.ledger, conn.status_of_switch());
    s.stream.upgraded = s
        .stream
        .entry
        .take()
        .map(|entry| Box::new(ledger.upgrade(entry, status)));
    Some((fd, read))
}

/// The app has finished the request. The caller goes on with the connection.
pub(in crate::worker) fn take_back(conn: &Conn, s: &mut ConnectionState) {
    ending::record_handed_over(conn, s);
    s.mode = ConnectionMode::GivenBack;
    s.clock.ending_since = conn.net.now();
}

/// Closes a handed-over connection; what the app has written is still sent, whatever duplicates of the descriptor
/// exist.
pub(super) fn close(conn: &Conn, s: &mut ConnectionState) {
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
    ending::shut(conn, s);
}

/// Applies every deadline that has passed at `now` (monotonic milliseconds).
pub(super) fn apply_timeouts(conn: &Conn, s: &mut ConnectionState, now: u64) {
    if s.mode == ConnectionMode::GivenBack {
        if now.saturating_sub(s.clock.ending_since) >= LAST_BYTES {
            close(conn, s);
        }
    } else if conn.net.drain.stage() != DrainStage::Serving && now >= conn.net.drain.idle_until() {
        s.transport.end_reading();
    }
}
