//! A connection whose request the app has not got is passed on to another worker: its descriptor, and the bytes that were
//! read.

use std::os::fd::BorrowedFd;

use super::body::BodyState;
use super::conn::Conn;
use super::state::{ConnectionMode, ConnectionState};
use crate::http::{BodyFraming, RequestHead, ResponseState};
use crate::ipc::{HeldGeneration, MOST_RECEIVED, Transferred};

/// `head`, `body`: of the request in progress, which the app has not got; `give` returns whether it has passed the
/// connection on. True: it has, and the connection is closed here. With TLS, HTTP/2 and after a PROXY header a connection
/// has state in this process, and stays. So does a request whose bytes are not known any more: decoded chunks.
pub(in crate::worker) fn with_body(
    conn: &Conn,
    s: &mut ConnectionState,
    head: &RequestHead,
    body: &[&[u8]],
    give: impl FnOnce(BorrowedFd<'_>, Transferred) -> bool,
) -> bool {
    let is_repeatable = match head.body_framing() {
        BodyFraming::None | BodyFraming::Length(_) => true,
        BodyFraming::Chunked | BodyFraming::Stream => false,
    };
    if !is_repeatable {
        return false;
    }
    let mut received = head.received().to_vec();
    body.iter()
        .for_each(|piece| received.extend_from_slice(piece));
    with_received(conn, s, &received, give)
}

/// `received`: what was taken from the connection of the request in progress, as it came.
fn with_received(
    conn: &Conn,
    s: &mut ConnectionState,
    received: &[u8],
    give: impl FnOnce(BorrowedFd<'_>, Transferred) -> bool,
) -> bool {
    let (Some(listener), None) = (conn.listener(), conn.key.stream()) else {
        return false;
    };
    let is_untouched = s.http.response_state() == ResponseState::NotStarted
        && s.stream.body.state != BodyState::Failed
        && !s.is_unsent()
        && !s.write_closed
        && !s.stream.left;
    if !is_untouched || conn.net.sends_proxy_header(conn.peer) {
        return false;
    }
    let mut received = received.to_vec();
    (s.stream.body.pieces()).for_each(|piece| received.extend_from_slice(piece));
    received.extend_from_slice(s.http.unread());
    let Some(fd) = s.transport.plain_socket() else {
        return false;
    };
    let connection = Transferred {
        listener: u32::try_from(listener).unwrap_or(u32::MAX),
        peer: conn.peer,
        received,
    };
    if !give(fd, connection) {
        return false;
    }
    s.transport.release();
    if let Some(entry) = s.stream.entry.take() {
        conn.net.ledger.pass_on(entry);
    }
    s.ws = None;
    s.stream.body.clear();
    s.mode = ConnectionMode::Closed;
    conn.net.connection_closed(conn.key);
    true
}

/// To the other one, of the held generation and the serving one; `setting` is the reason.
pub(super) fn to_generation(
    conn: &Conn,
    s: &mut ConnectionState,
    head: &RequestHead,
    held: &HeldGeneration,
    setting: &'static str,
) -> bool {
    let passed = with_received(conn, s, head.received(), |fd, connection| {
        connection.received.len() <= MOST_RECEIVED
            && held.give(fd, &connection).unwrap_or_else(|error| {
                tracing::debug!(%error, "connection not passed on to another generation");
                false
            })
    });
    if !passed && conn.net.log_throttle.admits(setting, conn.net.now()) {
        tracing::warn!(
            setting,
            "request for the other version is served by this generation: its connection cannot be passed on (TLS, HTTP/2, PROXY header, much in transit)"
        );
    }
    passed
}
