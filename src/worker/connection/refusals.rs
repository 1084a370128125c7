//! Requests that are refused: answered in place of the app.

use super::body::BodyState;
use super::conn::Conn;
use super::output::ConnectionOutput;
use super::state::{CloseKind, ConnectionState};
use super::{app_waits, ending};
use crate::http::{Refusal, ResponseState};
use crate::worker::ledger::Outcome;

/// Responds in place of the app, and closes.
pub(in crate::worker) fn answer(conn: &Conn, s: &mut ConnectionState, refusal: Refusal) {
    {
        let date = conn.net.clock.date();
        let answer = s.http.refuse(refusal, &date.1);
        ConnectionOutput::of(&mut s.transport, &mut s.out, &mut s.write_closed)
            .write([answer, b"", b""]);
    }
    if s.stream.entry.is_none() {
        conn.net.ledger.refused(Outcome {
            status: refusal.status(),
            bytes: s.http.response_body_len(),
            peer: conn.logged_client(),
        });
    }
    log(conn, refusal);
    ending::begin_close(conn, s, CloseKind::Lingering);
}

/// The rest of the body will not arrive. If no response has begun, the client gets an error status.
pub(super) fn fail_body(conn: &Conn, s: &mut ConnectionState, refusal: Refusal) {
    s.stream.body.state = BodyState::Failed;
    s.stream.body.clear();
    s.stream.left = true;
    app_waits::notify_reader(conn, s);
    if matches!(
        s.http.response_state(),
        ResponseState::NotStarted | ResponseState::HeadPending
    ) {
        answer(conn, s, refusal);
    }
}

/// Logs the kinds of refused requests, and how often each occurs, at a bounded rate whatever clients send.
fn log(conn: &Conn, refusal: Refusal) {
    let (status, reason, peer) = (refusal.status(), refusal.reason(), conn.shown_peer());
    // The app's traceback is more useful.
    let is_known = match refusal {
        // The sentinel logs when that begins and ends.
        Refusal::AppFailed | Refusal::Queued { .. } => true,
        _ => false,
    };
    if is_known || !conn.net.log_throttle.admits(reason, conn.net.now()) {
        tracing::debug!(status, reason, peer, "request refused");
    } else if refusal == Refusal::Overloaded {
        tracing::warn!(status, reason, peer, "request refused");
    } else {
        tracing::info!(status, reason, peer, "request refused");
    }
}
