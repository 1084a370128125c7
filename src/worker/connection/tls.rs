//! TLS of a connection: its beginning after a PROXY header, the negotiated parameters, and failures.

use std::sync::Arc;

use super::conn::Conn;
use super::ending;
use super::state::{CloseKind, ConnectionState};

/// The PROXY header is complete: the handshake begins, with the bytes that arrived with it.
pub(super) fn start(conn: &Conn, s: &mut ConnectionState) {
    let Some(tls) = conn.net.tls.at(conn.listener()) else {
        return;
    };
    let session = tls.session();
    let has_begun =
        session.is_some_and(|session| s.transport.start_tls(session, s.http.input()).is_ok());
    if !has_begun {
        ending::begin_close(conn, s, CloseKind::Plain);
    }
}

/// With the first request all parameters are known.
pub(in crate::worker) fn note(conn: &Conn, s: &ConnectionState) {
    if let Some(facts) = s.transport.tls_facts() {
        conn.tls.get_or_init(|| Arc::new(facts));
    }
}

pub(in crate::worker) fn report_failure(conn: &Conn, s: &ConnectionState) {
    if let Some(reason) = s.transport.tls_failure() {
        report(conn, reason);
    }
}

/// The client sent no request in time, because its handshake is incomplete.
pub(super) fn report_slow_handshake(conn: &Conn, s: &ConnectionState) {
    if !s.transport.is_handshaking() {
        return;
    }
    let reason = if s.transport.has_begun_handshake() {
        "TLS handshake took too long"
    } else {
        "client sent no TLS handshake"
    };
    report(conn, reason);
}

fn report(conn: &Conn, reason: &'static str) {
    let peer = conn.shown_peer();
    if conn.net.log_throttle.admits(reason, conn.net.now()) {
        tracing::info!(peer, reason, "TLS connection failed");
    } else {
        tracing::debug!(peer, reason, "TLS connection failed");
    }
}
