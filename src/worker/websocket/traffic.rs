//! Frames in and out of a connection, and its closing handshake.

use std::sync::Arc;

use super::state::{CloseDue, WebSocketEnd, WebSocketPhase};
use crate::websocket::{Close, Frame, WebSocketEvent, WebSocketFailure};
use crate::worker::connection::{
    CloseKind, Conn, ConnectionMode, ConnectionOutput, ConnectionState, HIGH_WATER,
};

/// A short message is copied behind the head of its frame: one `send` of one piece is cheaper than a `sendmsg`.
const COPY_UP_TO: usize = 2048;

impl Conn {
    /// Sends what is deferred, and reads frames, as far as app and client keep up. False: the next step needs the socket or the app.
    pub(in crate::worker) fn websocket(self: &Arc<Self>, s: &mut ConnectionState) -> bool {
        let sent = self.send_deferred(s);
        self.receive_frames(s) || sent
    }

    fn receive_frames(self: &Arc<Self>, s: &mut ConnectionState) -> bool {
        let Some(ws) = s.ws.as_deref_mut() else {
            return false;
        };
        if matches!(ws.phase, WebSocketPhase::Answering(..)) {
            if s.write_closed {
                self.answer_close(s);
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
                    self.websocket_lost(s);
                    return true;
                }
                if self.read(s) {
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
                    self.net.turn_budget.charge_for_app(message.data.len());
                    ws.push(message);
                    self.notify_reader(s);
                }
            }
            WebSocketEvent::Ping(payload) => {
                if ws.is_open() {
                    self.write_frame(s, Frame::pong(&payload).as_bytes(), b"");
                }
            }
            WebSocketEvent::Pong => {}
            WebSocketEvent::Close(close) => self.websocket_closed(s, close),
            WebSocketEvent::Failed(failure) => self.websocket_failed(s, failure),
            WebSocketEvent::Ended => {
                self.websocket_over(s, WebSocketEnd::abnormal());
            }
        }
        true
    }

    pub(super) fn write_frame(
        self: &Arc<Self>,
        s: &mut ConnectionState,
        head: &[u8],
        payload: &[u8],
    ) {
        let mut output = ConnectionOutput::of(&mut s.transport, &mut s.out, &mut s.write_closed);
        let all = if payload.is_empty() {
            output.write([head, b"", b""])
        } else if payload.len() <= COPY_UP_TO {
            let mut frame = [0; 10 + COPY_UP_TO];
            let len = head.len() + payload.len();
            frame[..head.len()].copy_from_slice(head);
            frame[head.len()..len].copy_from_slice(payload);
            output.write([&frame[..len], b"", b""])
        } else {
            output.write([head, payload, b""])
        };
        if !all {
            s.clock.write_progress = self.net.now();
            self.schedule(s);
        }
    }

    /// Sends a close frame, behind all messages, and waits for the client's.
    pub(super) fn close_websocket(
        self: &Arc<Self>,
        s: &mut ConnectionState,
        code: u16,
        reason: &str,
    ) {
        let ended = || WebSocketEnd {
            code,
            reason: reason.to_owned(),
        };
        let due = || CloseDue::Ours {
            code,
            reason: reason.to_owned(),
        };
        if !self.closes_later(s, due, ended) {
            self.send_close(s, code, reason);
            self.advance(s);
        }
    }

    pub(super) fn send_close(self: &Arc<Self>, s: &mut ConnectionState, code: u16, reason: &str) {
        let Some(ws) = s.ws.as_deref_mut().filter(|ws| ws.may_send()) else {
            return;
        };
        let closing = WebSocketPhase::Closing(self.net.now());
        let before = std::mem::replace(&mut ws.phase, closing);
        ws.ended.get_or_insert_with(|| WebSocketEnd {
            code,
            reason: reason.to_owned(),
        });
        self.write_frame(s, Frame::close(Some(code), reason).as_bytes(), b"");
        self.notify_reader(s);
        if let WebSocketPhase::Answering(_, close) = before {
            self.websocket_over(s, WebSocketEnd::of(close));
        }
    }

    /// Handles the client's close frame.
    fn websocket_closed(self: &Arc<Self>, s: &mut ConnectionState, close: Close) {
        let Some(ws) = s.ws.as_deref_mut() else {
            return;
        };
        if ws.is_open() {
            ws.phase = WebSocketPhase::Answering(self.net.now(), close);
            // An app that waits has received everything.
            if s.stream.waits.receive {
                self.answer_close(s);
            }
        } else {
            self.websocket_over(s, WebSocketEnd::of(close));
        }
    }

    /// Replies to the client's close frame, behind all messages, which ends the connection.
    pub(super) fn answer_close(self: &Arc<Self>, s: &mut ConnectionState) {
        let Some(ws) = s.ws.as_deref_mut() else {
            return;
        };
        let WebSocketPhase::Answering(_, close) = &mut ws.phase else {
            return;
        };
        let close = close.clone();
        let ended = || WebSocketEnd::of(close.clone());
        if self.closes_later(s, || CloseDue::Answer, ended) {
            return;
        }
        self.write_frame(s, Frame::close(close.code, "").as_bytes(), b"");
        self.websocket_over(s, WebSocketEnd::of(close));
    }

    fn websocket_failed(self: &Arc<Self>, s: &mut ConnectionState, failure: WebSocketFailure) {
        let (code, reason) = (failure.code(), failure.reason());
        if s.ws.as_ref().is_some_and(|ws| ws.is_open()) {
            tracing::debug!(code, reason, "websocket failed");
            self.write_frame(s, Frame::close(Some(code), reason).as_bytes(), b"");
        }
        self.websocket_over(
            s,
            WebSocketEnd {
                code,
                reason: reason.to_owned(),
            },
        );
    }

    /// The connection ended without a close frame.
    pub(super) fn websocket_lost(self: &Arc<Self>, s: &mut ConnectionState) {
        self.websocket_over(s, WebSocketEnd::abnormal());
    }

    /// No more frames: written bytes are sent, then the connection is closed.
    pub(super) fn websocket_over(self: &Arc<Self>, s: &mut ConnectionState, ended: WebSocketEnd) {
        if let Some(ws) = s.ws.as_deref_mut() {
            ws.phase = WebSocketPhase::Over;
            ws.ended.get_or_insert(ended);
            ws.frames = None;
            s.stream.coding = false;
        }
        self.begin_close(s, CloseKind::Lingering);
    }

    /// Completes the ledger entry of a WebSocket, also where it ended without a close frame.
    pub(in crate::worker) fn end_websocket(self: &Arc<Self>, s: &mut ConnectionState) {
        if s.mode != ConnectionMode::WebSocket {
            return;
        }
        let Some(ws) = s.ws.as_deref_mut() else {
            return;
        };
        ws.phase = WebSocketPhase::Over;
        ws.frames = None;
        s.stream.coding = false;
        ws.ended.get_or_insert_with(WebSocketEnd::abnormal);
        let bytes = ws.sent;
        if let Some(upgraded) = ws.upgraded.take() {
            let peer = self.logged_client();
            self.net.ledger.end_upgraded(upgraded, bytes, peer);
        }
    }
}
