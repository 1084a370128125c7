//! The closing handshake, by either side.

use super::frames;
use super::state::{CloseDue, WebSocketEnd, WebSocketPhase};
use crate::ipc::DrainReason;
use crate::websocket::{Close, Frame, GOING_AWAY, SERVICE_RESTART, WebSocketFailure};
use crate::worker::connection::{CloseKind, Conn, ConnectionState, app_waits, ending};
use crate::worker::drain::DrainStage;

/// The close code of a draining worker; `None`: it serves.
pub(super) fn leave_code(conn: &Conn) -> Option<u16> {
    match conn.net.drain.stage() {
        DrainStage::Serving => None,
        DrainStage::Draining(DrainReason::Replaced | DrainReason::Removed) => Some(SERVICE_RESTART),
        DrainStage::Draining(DrainReason::Shutdown) => Some(GOING_AWAY),
    }
}

/// The worker exits now: one close frame, without waiting.
pub(in crate::worker) fn leave(conn: &Conn, s: &mut ConnectionState) {
    if s.ws.as_ref().is_some_and(|ws| ws.is_open()) {
        let code = leave_code(conn).unwrap_or(GOING_AWAY);
        frames::write(conn, s, Frame::close(Some(code), "").as_bytes(), b"");
    }
}

/// Sends a close frame, behind all messages, and waits for the client's. True: it is sent, and the caller goes on with the connection.
pub(super) fn close(conn: &Conn, s: &mut ConnectionState, code: u16, reason: &str) -> bool {
    let ended = || WebSocketEnd {
        code,
        reason: reason.to_owned(),
    };
    let due = || CloseDue::Ours {
        code,
        reason: reason.to_owned(),
    };
    let is_sent = !closes_later(conn, s, due, ended);
    if is_sent {
        send(conn, s, code, reason);
    }
    is_sent
}

/// True: the close frame follows the messages that are deferred. The app is told that it has ended.
fn closes_later(
    conn: &Conn,
    s: &mut ConnectionState,
    due: impl FnOnce() -> CloseDue,
    ended: impl FnOnce() -> WebSocketEnd,
) -> bool {
    let Some(ws) = s.ws.as_deref_mut().filter(|ws| ws.has_outgoing()) else {
        return false;
    };
    if ws.due.is_none() {
        ws.due = Some(due());
        ws.ended.get_or_insert_with(ended);
        app_waits::notify_reader(conn, s);
    }
    true
}

/// Sends a close frame now.
pub(super) fn send(conn: &Conn, s: &mut ConnectionState, code: u16, reason: &str) {
    let Some(ws) = s.ws.as_deref_mut().filter(|ws| ws.may_send()) else {
        return;
    };
    let closing = WebSocketPhase::Closing(conn.net.now());
    let before = std::mem::replace(&mut ws.phase, closing);
    ws.ended.get_or_insert_with(|| WebSocketEnd {
        code,
        reason: reason.to_owned(),
    });
    frames::write(conn, s, Frame::close(Some(code), reason).as_bytes(), b"");
    app_waits::notify_reader(conn, s);
    if let WebSocketPhase::Answering(_, close) = before {
        over(conn, s, WebSocketEnd::of(close));
    }
}

/// Handles the client's close frame.
pub(super) fn client_closed(conn: &Conn, s: &mut ConnectionState, close: Close) {
    let Some(ws) = s.ws.as_deref_mut() else {
        return;
    };
    if ws.is_open() {
        ws.phase = WebSocketPhase::Answering(conn.net.now(), close);
        // An app that waits has received everything.
        if s.stream.waits.receive {
            answer(conn, s);
        }
    } else {
        over(conn, s, WebSocketEnd::of(close));
    }
}

/// Replies to the client's close frame, behind all messages, which ends the connection.
pub(super) fn answer(conn: &Conn, s: &mut ConnectionState) {
    let Some(ws) = s.ws.as_deref_mut() else {
        return;
    };
    let WebSocketPhase::Answering(_, close) = &mut ws.phase else {
        return;
    };
    let close = close.clone();
    let ended = || WebSocketEnd::of(close.clone());
    if closes_later(conn, s, || CloseDue::Answer, ended) {
        return;
    }
    frames::write(conn, s, Frame::close(close.code, "").as_bytes(), b"");
    over(conn, s, WebSocketEnd::of(close));
}

/// The client has sent what no frame may be.
pub(super) fn fail(conn: &Conn, s: &mut ConnectionState, failure: WebSocketFailure) {
    let (code, reason) = (failure.code(), failure.reason());
    if s.ws.as_ref().is_some_and(|ws| ws.is_open()) {
        tracing::debug!(code, reason, "websocket failed");
        frames::write(conn, s, Frame::close(Some(code), reason).as_bytes(), b"");
    }
    over(
        conn,
        s,
        WebSocketEnd {
            code,
            reason: reason.to_owned(),
        },
    );
}

/// The connection ended without a close frame.
pub(super) fn lost(conn: &Conn, s: &mut ConnectionState) {
    over(conn, s, WebSocketEnd::abnormal());
}

/// No more frames: written bytes are sent, then the connection is closed.
fn over(conn: &Conn, s: &mut ConnectionState, ended: WebSocketEnd) {
    if let Some(ws) = s.ws.as_deref_mut() {
        ws.end(ended);
        s.stream.coding = false;
    }
    ending::begin_close(conn, s, CloseKind::Lingering);
}
