//! The PROXY header before the first request.

use std::sync::Arc;

use bytes::Buf;

use super::conn::Conn;
use super::origin::ConnectionOrigin;
use super::state::{CloseKind, ConnectionState, Opening};
use super::{ending, reading, tls};
use crate::proxy::{self, Malformed};

/// Reads the header that precedes the first request. False: the next step needs the socket.
pub(super) fn read(conn: &Arc<Conn>, s: &mut ConnectionState) -> bool {
    match proxy::parse(s.http.input(), conn.net.settings.proxy_protocol) {
        Ok(Some((header, length))) => {
            s.http.input().advance(length);
            s.opening = Opening::of_http(conn.net.settings.http2.mode);
            let origin = ConnectionOrigin::of_header(&conn.net, conn.peer, header);
            s.http.set_policy(origin.policy(&conn.net));
            // Set once: there is one header.
            conn.origin.get_or_init(|| origin);
            // A proxy may connect, and send the header, before there is a request.
            s.clock.idle_since = conn.net.now();
            tls::start(conn, s);
            s.clock.head_since = (!s.http.is_idle()).then(|| conn.net.now());
            true
        }
        Ok(None) if s.read_ended && s.http.is_idle() => {
            ending::begin_close(conn, s, CloseKind::Plain);
            true
        }
        Ok(None) if s.read_ended => {
            refuse(conn, s, "connection ended inside the PROXY header");
            true
        }
        Ok(None) => reading::read_head(conn, s),
        Err(Malformed(reason)) => {
            refuse(conn, s, reason);
            true
        }
    }
}

/// Nothing is sent: the peer may not be an HTTP client.
pub(super) fn refuse(conn: &Conn, s: &mut ConnectionState, reason: &'static str) {
    if conn.net.log_throttle.admits(reason, conn.net.now()) {
        let peer = conn.shown_peer();
        tracing::warn!(peer, reason, "connection closed: no valid PROXY header");
    }
    ending::begin_close(conn, s, CloseKind::Plain);
}
