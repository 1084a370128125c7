//! What a WebSocket does when it may go on: sends what is deferred, and reads frames.

use std::sync::Arc;

use super::state::WebSocketPhase;
use super::{closing, frames, outgoing};
use crate::websocket::{Frame, WebSocketEvent};
use crate::worker::connection::{Conn, ConnectionState, HIGH_WATER, app_waits, reading};

/// Sends what is deferred, and reads frames, as far as app and client keep up. False: the next step needs the socket or the app.
pub(in crate::worker) fn step(conn: &Arc<Conn>, s: &mut ConnectionState) -> bool {
    let sent = outgoing::step(conn, s);
    receive_frames(conn, s) || sent
}

fn receive_frames(conn: &Arc<Conn>, s: &mut ConnectionState) -> bool {
    let Some(ws) = s.ws.as_deref_mut() else {
        return false;
    };
    if matches!(ws.phase, WebSocketPhase::Answering(..)) {
        if s.write_closed {
            closing::answer(conn, s);
            return true;
        }
        return false;
    }
    // Replies to pings must not accumulate for a client that does not read.
    if (ws.paused && ws.is_open()) || s.out.len() > HIGH_WATER {
        return false;
    }
    let Some(frames) = &mut ws.frames else {
        return false;
    };
    let event = frames.poll_event();
    s.share.spend_on(frames.take_work());
    match event {
        // Bytes of the client are being handled, while none are read.
        WebSocketEvent::InProgress => ws.heard = true,
        WebSocketEvent::NeedInput => {
            if s.read_ended {
                closing::lost(conn, s);
                return true;
            }
            if reading::read(conn, s) {
                if let Some(ws) = &mut s.ws {
                    ws.heard = true;
                }
                return true;
            }
            if let Some(frames) = s.ws.as_mut().and_then(|ws| ws.frames.as_mut()) {
                frames.release_input();
            }
            return false;
        }
        WebSocketEvent::Message(message) => {
            // After our close frame messages are ignored.
            if ws.is_open() && ws.due.is_none() {
                conn.net.turn_budget.charge_for_app(message.data.len());
                ws.push(message);
                app_waits::notify_reader(conn, s);
            }
        }
        WebSocketEvent::Ping(payload) => {
            if ws.is_open() {
                frames::write(conn, s, Frame::pong(&payload).as_bytes(), b"");
            }
        }
        WebSocketEvent::Pong => {}
        WebSocketEvent::Close(close) => closing::client_closed(conn, s, close),
        WebSocketEvent::Failed(failure) => closing::fail(conn, s, failure),
        WebSocketEvent::Ended => {
            closing::lost(conn, s);
        }
    }
    true
}
