//! Reading from the client.

use std::sync::Arc;

use super::conn::Conn;
use super::state::{CloseKind, ConnectionMode, ConnectionState};
use super::{ending, tls};
use crate::http::InputFault;
use crate::worker::http2;
use crate::worker::tls::measured;
use crate::worker::transport::ReadResult;

/// Reads once. False: nothing to read now.
pub(in crate::worker) fn read(conn: &Arc<Conn>, s: &mut ConnectionState) -> bool {
    if !s.transport.is_readable() || s.read_ended {
        return false;
    }
    if s.transport.is_handshaking() {
        return shake_hands(conn, s);
    }
    read_once(conn, s)
}

/// As `read`; the head's timeout starts with its first byte.
pub(in crate::worker) fn read_head(conn: &Arc<Conn>, s: &mut ConnectionState) -> bool {
    let progress = read(conn, s);
    // Its first bytes may have come behind the request before it.
    if s.clock.head_since.is_none() && !s.http.is_idle() {
        s.clock.head_since = Some(conn.net.now());
    }
    progress
}

/// Also reads the bytes of a TLS handshake.
fn read_once(conn: &Conn, s: &mut ConnectionState) -> bool {
    let result = if s.transport.is_complete() {
        // Most streams have no body, and need no buffer for one.
        ReadResult::Complete
    } else {
        let input = match s.ws.as_mut().and_then(|ws| ws.frames.as_mut()) {
            None => s.http.input(),
            Some(frames) => frames.input(),
        };
        s.transport.read(input)
    };
    match result {
        ReadResult::End => {
            s.read_ended = true;
            s.http.input_ended();
            s.clock.fin_at = Some(conn.net.now());
            true
        }
        ReadResult::Complete => {
            s.read_ended = true;
            s.http.input_ended();
            true
        }
        ReadResult::Bytes(count) => {
            conn.net.page.received(count as u64);
            true
        }
        ReadResult::Refused(fault) => {
            s.read_ended = true;
            s.http.input_failed(fault);
            true
        }
        ReadResult::Nothing => false,
        ReadResult::Failed => {
            tls::report_failure(conn, s);
            s.http.input_failed(InputFault::Truncated);
            if s.mode == ConnectionMode::Head && s.transport.tls_failure().is_some() {
                // An alert tells the client why; what it still sends must not make a reset of it.
                ending::begin_close(conn, s, CloseKind::Lingering);
            } else {
                s.write_closed = true;
                s.read_ended = true;
            }
            true
        }
    }
}

/// Reads handshake bytes, or waits for a turn with time for it: key exchange costs a thousand times as much as
/// the encryption.
fn shake_hands(conn: &Arc<Conn>, s: &mut ConnectionState) -> bool {
    let turn = conn.net.clock.turns();
    let Some(tls) = conn.net.tls.at(conn.listener()) else {
        return read_once(conn, s);
    };
    if !tls.handshakes().admits(turn) {
        conn.wait_for_a_turn(s);
        return false;
    }
    let (progress, us) = measured(|| read_once(conn, s));
    tls.handshakes().spend(turn, us);
    if !s.transport.is_handshaking() && s.transport.speaks_http2() {
        http2::session::start(conn, s);
    }
    progress
}
