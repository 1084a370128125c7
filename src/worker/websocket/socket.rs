//! One WebSocket connection, as seen by the app's side.

use bytes::Bytes;

use super::error::SocketError;
use super::state::{WebSocketEnd, WebSocketPhase, Ws};
use super::{closing, frames, handshake};
use crate::http::BodyEnd;
use crate::websocket::{INTERNAL_ERROR, Message, MessageKind, NORMAL, may_be_sent};
use crate::worker::connection::{ConnectionMode, ConnectionState, HIGH_WATER, steps};
use crate::worker::exchange::{Backpressure, Ending, Exchange, ResponseVerdict, SendError};

/// A handle that outlives its connection: after the end all calls report it.
#[derive(Clone)]
pub struct WebSocketHandle {
    /// The handshake; an HTTP response instead of accepting is sent through it.
    pub exchange: Exchange,
}

/// Result of `receive`.
#[derive(Debug)]
pub enum WebSocketReceived {
    /// A client waits to be accepted.
    Connect,
    Message(Message),
    Disconnect(WebSocketEnd),
    /// Nothing yet: `App::readable` reports more.
    Wait,
}

impl From<SendError> for SocketError {
    fn from(error: SendError) -> Self {
        match error {
            SendError::Gone | SendError::FileInProgress => Self::Gone,
            SendError::Response(error) => Self::Response(error),
        }
    }
}

impl WebSocketHandle {
    pub fn receive(&self) -> WebSocketReceived {
        let conn = &self.exchange.conn;
        let s = &mut *conn.lock();
        let ours = s.stream.number == self.exchange.number();
        let Some(ws) = s.ws.as_mut().filter(|_| ours) else {
            return WebSocketReceived::Disconnect(WebSocketEnd::abnormal());
        };
        if !ws.connect_told {
            ws.connect_told = true;
            return WebSocketReceived::Connect;
        }
        if let Some((message, resume)) = ws.pop() {
            if resume {
                steps::advance(conn, s);
            }
            return WebSocketReceived::Message(message);
        }
        if matches!(ws.phase, WebSocketPhase::Answering(..)) {
            closing::answer(conn, s);
            steps::advance(conn, s);
        }
        let Some(ws) = s.ws.as_mut() else {
            return WebSocketReceived::Disconnect(WebSocketEnd::abnormal());
        };
        if let Some(ended) = &ws.ended {
            let ended = ended.clone();
            s.stream.end_reported = true;
            return WebSocketReceived::Disconnect(ended);
        }
        let waits = match ws.phase {
            WebSocketPhase::Handshake(_) => s.mode == ConnectionMode::Exchange && !s.stream.left,
            WebSocketPhase::Open => true,
            WebSocketPhase::Answering(..) | WebSocketPhase::Closing(_) | WebSocketPhase::Over => {
                false
            }
        };
        if waits {
            s.stream.waits.receive = true;
            return WebSocketReceived::Wait;
        }
        s.stream.end_reported = true;
        WebSocketReceived::Disconnect(WebSocketEnd::abnormal())
    }

    pub fn accept<'h>(
        &self,
        protocol: Option<&'h [u8]>,
        headers: impl IntoIterator<Item = (&'h [u8], &'h [u8])>,
    ) -> Result<(), SocketError> {
        let conn = &self.exchange.conn;
        let s = &mut *conn.lock();
        self.ws(s)?;
        if s.mode == ConnectionMode::Exchange {
            self.exchange.check(s)?;
        }
        handshake::accept(conn, s, protocol, headers)?;
        steps::advance(conn, s);
        Ok(())
    }

    /// Writes a message. When this returns, the bytes are with the kernel, or kept here; `lend` gives those of a message that is not compressed yet.
    pub fn send(
        &self,
        kind: MessageKind,
        data: &[u8],
        lend: impl FnOnce() -> Bytes,
    ) -> Result<Backpressure, SocketError> {
        let conn = &self.exchange.conn;
        let s = &mut *conn.lock();
        let ws = self.ws(s)?;
        let frames = match ws.phase {
            WebSocketPhase::Open | WebSocketPhase::Answering(..) => {
                ws.frames.as_mut().filter(|_| ws.ended.is_none())
            }
            WebSocketPhase::Handshake(_) => {
                return Err(SocketError::Order("websocket.send before websocket.accept"));
            }
            WebSocketPhase::Closing(_) | WebSocketPhase::Over => None,
        };
        let frames = frames.ok_or(SocketError::Gone)?;
        ws.sent += data.len() as u64;
        if frames.sends_at_once(data.len()) {
            let (head, compressed) = frames.message(kind, data);
            frames::write(
                conn,
                s,
                head.as_bytes(),
                compressed.as_deref().unwrap_or(data),
            );
        } else {
            let data = lend();
            // Behind all earlier ones; it begins where this turn has time.
            frames.defer(Message { kind, data });
            s.stream.coding = true;
            if conn.net.turn_budget.is_used_up() {
                conn.wait_for_a_turn(s);
            } else {
                steps::advance(conn, s);
            }
        }
        if s.write_closed {
            return Err(SocketError::Gone);
        }
        Ok(if s.out.len() > HIGH_WATER || s.stream.coding {
            Backpressure::Full
        } else {
            Backpressure::Free
        })
    }

    /// Closes an accepted connection, or rejects it with 403.
    pub fn close(&self, code: Option<u16>, reason: &str) -> Result<(), SocketError> {
        let code = code.unwrap_or(NORMAL);
        if !may_be_sent(code) {
            return Err(SocketError::Value(format!("invalid close code {code}")));
        }
        if reason.len() > 123 {
            return Err(SocketError::Value(
                "a close reason has at most 123 bytes".to_owned(),
            ));
        }
        let conn = &self.exchange.conn;
        {
            let s = &mut *conn.lock();
            let ws = self.ws(s)?;
            match ws.phase {
                WebSocketPhase::Handshake(_) => {}
                _ if ws.due.is_some() => return Err(SocketError::Gone),
                WebSocketPhase::Open | WebSocketPhase::Answering(..) => {
                    if closing::close(conn, s, code, reason) {
                        steps::advance(conn, s);
                    }
                    return Ok(());
                }
                WebSocketPhase::Closing(_) | WebSocketPhase::Over => return Err(SocketError::Gone),
            }
        }
        self.exchange.start(403, None, [])?;
        self.exchange.send(b"", BodyEnd::Last)?;
        Ok(())
    }

    /// The app has finished with this connection.
    pub fn ended(&self, ending: Ending) -> ResponseVerdict {
        let conn = &self.exchange.conn;
        {
            let s = &mut *conn.lock();
            match self.ws(s).map(|ws| &ws.phase) {
                Ok(WebSocketPhase::Handshake(_)) => {}
                Ok(WebSocketPhase::Open) => {
                    let code = match (closing::leave_code(conn), ending) {
                        (Some(code), _) => code,
                        (None, Ending::Returned) => NORMAL,
                        (None, Ending::Failed) => INTERNAL_ERROR,
                    };
                    if closing::close(conn, s, code, "") {
                        steps::advance(conn, s);
                    }
                    return ResponseVerdict::Fine;
                }
                Ok(WebSocketPhase::Answering(..)) => {
                    closing::answer(conn, s);
                    steps::advance(conn, s);
                    return ResponseVerdict::Fine;
                }
                Ok(WebSocketPhase::Closing(_) | WebSocketPhase::Over) | Err(_) => {
                    return ResponseVerdict::Fine;
                }
            }
        }
        self.exchange.ended(ending)
    }

    fn ws<'s>(&self, s: &'s mut ConnectionState) -> Result<&'s mut Ws, SocketError> {
        if s.stream.number != self.exchange.number() {
            return Err(SocketError::Gone);
        }
        s.ws.as_deref_mut().ok_or(SocketError::Gone)
    }
}
