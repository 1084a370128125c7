//! Timing of WebSockets: pings, the timeout of the closing handshake, and the close in a draining worker. Checked
//! about four times a second.

use std::sync::Arc;

use super::state::{WebSocketEnd, WebSocketPhase};
use crate::ipc::DrainReason;
use crate::websocket::{Frame, GOING_AWAY, INTERNAL_ERROR, SERVICE_RESTART};
use crate::worker::connection::{Conn, ConnectionState};
use crate::worker::drain::DrainStage;
use crate::worker::key::ConnKey;
use crate::worker::network::millis;

/// How long the client may take to answer our close frame.
const CLOSING: u64 = 5_000;
/// How long an app that has not received the client's close frame delays the reply to it.
const ANSWERING: u64 = 1_000;

impl Conn {
    /// When it is to be checked again, in monotonic milliseconds; 0: at the next tick.
    pub(in crate::worker) fn next_websocket_timeout(&self, s: &ConnectionState) -> u64 {
        let Some(ws) = s.ws.as_deref().filter(|ws| ws.is_open()) else {
            return 0;
        };
        if s.is_unsent() {
            return 0;
        }
        let limit = self.net.settings.websocket.ping_timeout;
        let answer = ws
            .pinged
            .zip(limit)
            .map(|(since, limit)| since.max(s.clock.write_progress) + millis(limit));
        answer.map_or(ws.next_ping, |answer| answer.min(ws.next_ping))
    }

    /// Applies every deadline that has passed at `now` (monotonic milliseconds).
    pub(in crate::worker) fn websocket_tick(self: &Arc<Self>, s: &mut ConnectionState, now: u64) {
        let write_limit = millis(self.net.settings.client.write);
        if !s.out.is_empty() && now.saturating_sub(s.clock.write_progress) >= write_limit {
            self.abandon_websocket(s);
            return;
        }
        let Some(ws) = s.ws.as_deref_mut() else {
            return;
        };
        match ws.phase {
            WebSocketPhase::Closing(since) => {
                if now.saturating_sub(since) >= CLOSING {
                    self.websocket_lost(s);
                    self.advance(s);
                }
            }
            WebSocketPhase::Open => {
                if let Some(code) = self.leave_code() {
                    let leaves_at = *ws.leaves_at.get_or_insert_with(|| {
                        // Spread evenly over the time that is left, so that not all clients reconnect at once.
                        let span = self.net.drain.idle_until().saturating_sub(now);
                        now + spread(self.key) * span / (1 << 16)
                    });
                    if now >= leaves_at {
                        self.close_websocket(s, code, "");
                        return;
                    }
                }
                self.ping(s, now);
            }
            WebSocketPhase::Answering(since, _) => {
                if now.saturating_sub(since) >= ANSWERING || self.leave_code().is_some() {
                    self.answer_close(s);
                    self.advance(s);
                }
            }
            WebSocketPhase::Handshake(_) | WebSocketPhase::Over => {}
        }
    }

    fn ping(self: &Arc<Self>, s: &mut ConnectionState, now: u64) {
        let settings = &self.net.settings.websocket;
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
            self.write_frame(
                s,
                Frame::close(Some(INTERNAL_ERROR), reason).as_bytes(),
                b"",
            );
            self.websocket_lost(s);
            self.advance(s);
            return;
        }
        // While output waits, whether the client reads it is what shows that it is there.
        if let Some(interval) = settings.ping_interval
            && now >= ws.next_ping
            && s.out.is_empty()
        {
            ws.next_ping = now + millis(interval);
            ws.pinged.get_or_insert(now);
            self.write_frame(s, Frame::ping(b"rgun").as_bytes(), b"");
            s.notice_reading(now);
        }
    }

    /// The close code of a draining worker; `None`: it serves.
    pub(super) fn leave_code(&self) -> Option<u16> {
        match self.net.drain.stage() {
            DrainStage::Serving => None,
            DrainStage::Draining(DrainReason::Replaced | DrainReason::Removed) => {
                Some(SERVICE_RESTART)
            }
            DrainStage::Draining(DrainReason::Shutdown) => Some(GOING_AWAY),
        }
    }

    /// The worker exits now: one close frame, without waiting.
    pub(in crate::worker) fn leave_websocket(self: &Arc<Self>, s: &mut ConnectionState) {
        if s.ws.as_ref().is_some_and(|ws| ws.is_open()) {
            let code = self.leave_code().unwrap_or(GOING_AWAY);
            self.write_frame(s, Frame::close(Some(code), "").as_bytes(), b"");
        }
    }

    /// The client does not read: no close frame can be sent to it.
    fn abandon_websocket(self: &Arc<Self>, s: &mut ConnectionState) {
        s.write_closed = true;
        self.flush(s);
        self.websocket_lost(s);
        self.advance(s);
    }
}

/// Sixteen bits, even for neighbours (Knuth's multiplicative hash).
fn spread(key: ConnKey) -> u64 {
    (key.place() as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 48
}
