//! Timing of WebSockets: pings, the timeout of the closing handshake, and the close in a draining worker. Checked
//! about four times a second.

use std::sync::Arc;

use super::state::{WebSocketEnd, WebSocketPhase};
use super::{closing, frames};
use crate::websocket::{Frame, INTERNAL_ERROR};
use crate::worker::connection::{Conn, ConnectionState, output, steps};
use crate::worker::key::ConnKey;
use crate::worker::network::millis;

/// How long the client may take to answer our close frame.
const CLOSING: u64 = 5_000;
/// How long an app that has not received the client's close frame delays the reply to it.
const ANSWERING: u64 = 1_000;

/// Applies every deadline that has passed at `now` (monotonic milliseconds).
pub(in crate::worker) fn apply(conn: &Arc<Conn>, s: &mut ConnectionState, now: u64) {
    let write_limit = millis(conn.net.settings.client.write);
    if !s.out.is_empty() && now.saturating_sub(s.clock.write_progress) >= write_limit {
        abandon(conn, s);
        return;
    }
    let Some(ws) = s.ws.as_deref_mut() else {
        return;
    };
    match ws.phase {
        WebSocketPhase::Closing(since) => {
            if now.saturating_sub(since) >= CLOSING {
                closing::lost(conn, s);
                steps::advance(conn, s);
            }
        }
        WebSocketPhase::Open => {
            if let Some(code) = closing::leave_code(conn) {
                let leaves_at = *ws.leaves_at.get_or_insert_with(|| {
                    // Spread evenly over the time that is left, so that not all clients reconnect at once.
                    let span = conn.net.drain.idle_until().saturating_sub(now);
                    now + spread(conn.key) * span / (1 << 16)
                });
                if now >= leaves_at {
                    if closing::close(conn, s, code, "") {
                        steps::advance(conn, s);
                    }
                    return;
                }
            }
            ping(conn, s, now);
        }
        WebSocketPhase::Answering(since, _) => {
            if now.saturating_sub(since) >= ANSWERING || closing::leave_code(conn).is_some() {
                closing::answer(conn, s);
                steps::advance(conn, s);
            }
        }
        WebSocketPhase::Handshake(_) | WebSocketPhase::Over => {}
    }
}

fn ping(conn: &Arc<Conn>, s: &mut ConnectionState, now: u64) {
    let settings = &conn.net.settings.websocket;
    let Some(ws) = s.ws.as_deref_mut() else {
        return;
    };
    // Any received byte is a sign of life, and a client whose messages wait for the app is not read.
    if std::mem::take(&mut ws.heard) || ws.paused {
        ws.pinged = None;
    }
    let pinged = ws.pinged;
    if pinged.is_some() {
        s.notice_reading(now);
    }
    let Some(ws) = s.ws.as_deref_mut() else {
        return;
    };
    // A client that still reads what came before the ping has not got it.
    if let (Some(since), Some(timeout)) = (pinged, settings.ping_timeout)
        && now.saturating_sub(since.max(s.clock.write_progress)) >= millis(timeout)
    {
        let reason = "keepalive ping timeout";
        ws.ended.get_or_insert(WebSocketEnd {
            code: 1006,
            reason: reason.to_owned(),
        });
        frames::write(
            conn,
            s,
            Frame::close(Some(INTERNAL_ERROR), reason).as_bytes(),
            b"",
        );
        closing::lost(conn, s);
        steps::advance(conn, s);
        return;
    }
    // While output waits, whether the client reads it is what shows that it is there.
    if let Some(interval) = settings.ping_interval
        && now >= ws.next_ping
        && s.out.is_empty()
    {
        ws.next_ping = now + millis(interval);
        ws.pinged.get_or_insert(now);
        frames::write(conn, s, Frame::ping(b"rgun").as_bytes(), b"");
        s.notice_reading(now);
    }
}

/// The client does not read: no close frame can be sent to it.
fn abandon(conn: &Arc<Conn>, s: &mut ConnectionState) {
    s.write_closed = true;
    output::flush(conn, s);
    closing::lost(conn, s);
    steps::advance(conn, s);
}

/// Sixteen bits, even for neighbours (Knuth's multiplicative hash).
fn spread(key: ConnKey) -> u64 {
    (key.place() as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 48
}
