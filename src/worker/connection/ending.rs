//! How requests end, and how connections do.

use super::body::BodyState;
use super::conn::Conn;
use super::state::{CloseKind, ConnectionMode, ConnectionState, DISCARD_LIMIT};
use super::{app_waits, output};
use crate::http::ResponseState;
use crate::worker::ledger::Outcome;
use crate::worker::websocket::WebSocketEnd;

/// Completes the request's ledger entry, and wakes an app that waits for the end of the request.
fn end_request(conn: &Conn, s: &mut ConnectionState) {
    s.stream.parked = None;
    match s.stream.entry.take() {
        None => {
            end_websocket(conn, s);
            record_handed_over(conn, s);
        }
        Some(entry) => {
            let outcome = Outcome {
                status: s.http.response_status(),
                bytes: s.http.response_body_len(),
                peer: conn.logged_client(),
            };
            conn.net.ledger.end(entry, outcome);
            s.stream.body.clear();
            s.stream.left = true;
        }
    }
    app_waits::notify_reader(conn, s);
}

/// Completes the ledger entry of a WebSocket, also where it ended without a close frame.
fn end_websocket(conn: &Conn, s: &mut ConnectionState) {
    if s.mode != ConnectionMode::WebSocket {
        return;
    }
    let Some(ws) = s.ws.as_deref_mut() else {
        return;
    };
    ws.end(WebSocketEnd::abnormal());
    s.stream.coding = false;
    let bytes = ws.sent;
    if let Some(upgraded) = ws.upgraded.take() {
        let peer = conn.logged_client();
        conn.net.ledger.end_upgraded(upgraded, bytes, peer);
    }
}

/// Writes the line of the access log for a connection that the app has taken over.
pub(super) fn record_handed_over(conn: &Conn, s: &mut ConnectionState) {
    if let Some(upgraded) = s.stream.upgraded.take() {
        conn.net
            .ledger
            .end_upgraded(*upgraded, 0, conn.logged_client());
    }
}

/// Closes it once everything is written.
pub(in crate::worker) fn begin_close(conn: &Conn, s: &mut ConnectionState, close_kind: CloseKind) {
    end_request(conn, s);
    s.mode = ConnectionMode::Closing(close_kind);
    s.clock.ending_since = conn.net.now();
}

/// The app's response is complete (or can never be): decides whether the connection continues. The caller goes on with it.
pub(in crate::worker) fn conclude(conn: &Conn, s: &mut ConnectionState) {
    s.clock.untaken = 0;
    s.stream.answered = s.http.response_state() == ResponseState::Complete;
    let unread = s.stream.body.state == BodyState::Open;
    let keep =
        s.http.is_keep_alive() && s.stream.body.state != BodyState::Failed && !s.write_closed;
    // The client waits for a `100 Continue` that will not be sent, and may or may not send the body.
    if !keep {
        let close_kind = if unread || s.closed_by_us || s.http.buffered() > 0 {
            CloseKind::Lingering
        } else {
            CloseKind::Plain
        };
        begin_close(conn, s, close_kind);
    } else {
        end_request(conn, s);
        if unread {
            s.mode = ConnectionMode::Discard(DISCARD_LIMIT);
            s.clock.ending_since = conn.net.now();
        } else {
            s.mode = ConnectionMode::Head;
            s.clock.idle_since = conn.net.now();
        }
    }
}

/// Aborts a response that has begun: the client gets what was sent of it, and can detect that it is incomplete.
pub(in crate::worker) fn cut(conn: &Conn, s: &mut ConnectionState) {
    let silent = s.http.is_close_delimited();
    s.http.abort();
    output::flush(conn, s);
    let close_kind = if silent {
        // A FIN would look like a complete response.
        s.transport.reset_on_close();
        CloseKind::Plain
    } else {
        CloseKind::Lingering
    };
    begin_close(conn, s, close_kind);
}

/// The client does not read: no error can be sent to it.
pub(in crate::worker) fn abandon(conn: &Conn, s: &mut ConnectionState) {
    let reason = "client does not read its response";
    if conn.net.log_throttle.admits(reason, conn.net.now()) {
        let (peer, unsent) = (conn.shown_peer(), s.out.len());
        tracing::info!(peer, reason, unsent, "connection timed out");
    }
    s.write_closed = true;
    s.stream.left = true;
    app_waits::notify_reader(conn, s);
    output::flush(conn, s);
    s.transport.reset_on_close();
    if s.mode != ConnectionMode::Exchange {
        shut(conn, s);
    }
}

/// Closes the connection and notifies the reactor.
pub(super) fn shut(conn: &Conn, s: &mut ConnectionState) {
    if s.mode == ConnectionMode::Closed {
        return;
    }
    end_request(conn, s);
    app_waits::notify_all(conn, s);
    s.mode = ConnectionMode::Closed;
    s.out.clear();
    s.pending = None;
    s.stream.body.clear();
    s.transport.close();
    s.http2 = None;
    let is_over = match (conn.key.stream(), conn.streams.get()) {
        (Some(number), Some(streams)) => streams.remove(number, conn.net.now()),
        (None, Some(streams)) => streams.orphan(),
        (_, None) => true,
    };
    if is_over {
        conn.net.connection_closed(conn.key.connection());
    }
}
