//! The app's handle of a request: which one it is, how far it has come, and its body.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::coder::Coder;
use super::error::SendError;
use crate::http::{ResponseError, ResponseState};
use crate::ipc::InFlightMark;
use crate::proxy::ForwardedRequest;
use crate::sys::is_forked_child;
use crate::worker::connection::{
    BodyState, Conn, ConnectionMode, ConnectionOutput, ConnectionState, HIGH_WATER, steps,
};
use crate::worker::key::RequestKey;
use crate::worker::ledger::Entry;

/// A handle that outlives its request: after the response all calls report the end.
#[derive(Clone)]
pub struct Exchange {
    pub conn: Arc<Conn>,
    pub(super) number: u64,
    mark: InFlightMark,
    /// Values for this request from a trusted proxy.
    pub forwarded: Option<Arc<ForwardedRequest>>,
    /// Set where responses are compressed.
    pub(super) coder: Option<Arc<Coder>>,
}

/// A step of the app for a request.
pub struct ExchangeStep<'e>(&'e Exchange);

impl Drop for ExchangeStep<'_> {
    fn drop(&mut self) {
        self.0.conn.net.page.app_rests(self.0.mark);
    }
}

/// Result of `receive`.
#[derive(Debug)]
pub enum Received {
    /// The next piece of the body; `more` follows or not.
    Body { piece: Bytes, more: bool },
    /// The client has disconnected, or the response is complete.
    Disconnect,
    /// Nothing yet: `App::readable` reports more.
    Wait,
}

impl Exchange {
    pub(super) fn new(
        conn: Arc<Conn>,
        number: u64,
        mark: InFlightMark,
        forwarded: Option<Arc<ForwardedRequest>>,
        coder: Option<Arc<Coder>>,
    ) -> Self {
        Self {
            conn,
            number,
            mark,
            forwarded,
            coder,
        }
    }

    /// Marks the app's code for it as running until the value is dropped, which shows from outside if it hangs there.
    pub fn step(&self) -> ExchangeStep<'_> {
        self.conn.net.page.app_runs(self.mark);
        ExchangeStep(self)
    }

    pub(in crate::worker) fn number(&self) -> u64 {
        self.number
    }

    pub fn key(&self) -> RequestKey {
        RequestKey {
            conn: self.conn.key,
            stream: self.number,
        }
    }

    /// Whether this is still the connection's current request.
    pub(super) fn is_current(&self, s: &ConnectionState) -> bool {
        s.stream.number == self.number && s.mode == ConnectionMode::Exchange
    }

    /// Whether the app may still send.
    pub(in crate::worker) fn check(&self, s: &ConnectionState) -> Result<(), SendError> {
        if is_forked_child() {
            return Err(SendError::Gone);
        }
        // First: a client may leave after its response, and this is an error of the app in any case.
        if s.stream.number != self.number || s.stream.answered {
            return Err(SendError::Response(ResponseError::AlreadyComplete));
        }
        if s.write_closed || s.stream.end_reported || s.stream.body.state == BodyState::Failed {
            return Err(SendError::Gone);
        }
        match s.mode {
            ConnectionMode::Exchange => Ok(()),
            // Not by the app's response: the server has ended it (a timeout, a body that is refused), as if the client had left.
            ConnectionMode::Closing(_) | ConnectionMode::Linger | ConnectionMode::Closed => {
                Err(SendError::Gone)
            }
            _ => Err(ResponseError::AlreadyComplete.into()),
        }
    }

    /// Whether the data may have to be compressed first, which is better done without the GIL.
    pub fn may_be_coded(&self) -> bool {
        self.coder.is_some()
    }

    /// The app has sent everything, and the rest is being compressed.
    pub(super) fn is_finishing(&self) -> bool {
        self.coder
            .as_ref()
            .is_some_and(|coder| coder.is_finishing())
    }

    /// How long ago its head was complete; `None`: it has ended.
    pub fn age(&self) -> Option<Duration> {
        let s = self.conn.lock();
        let entry = s.stream.entry.as_ref().filter(|_| self.is_current(&s));
        entry.map(Entry::age)
    }

    /// Whether the app has taken over the connection.
    pub fn is_handed_over(&self) -> bool {
        let s = self.conn.lock();
        s.stream.number == self.number && s.mode == ConnectionMode::HandedOver
    }

    /// Whether a response could still reach the client.
    pub fn is_wanted(&self) -> bool {
        let s = self.conn.lock();
        self.is_current(&s) && !s.write_closed
    }

    pub fn response_state(&self) -> ResponseState {
        if self.is_finishing() {
            return ResponseState::Complete;
        }
        let s = self.conn.lock();
        if self.is_current(&s) {
            match s.http.response_state() {
                ResponseState::HeadPending if s.stream.coding => ResponseState::Streaming,
                state => state,
            }
        } else {
            ResponseState::Complete
        }
    }

    pub fn receive(&self) -> Received {
        if is_forked_child() {
            return Received::Disconnect;
        }
        let s = &mut *self.conn.lock();
        if !self.is_current(s) {
            return Received::Disconnect;
        }
        let was_full = s.stream.body.buffered() >= HIGH_WATER;
        if let Some(piece) = s.stream.body.pop() {
            if was_full && s.stream.body.buffered() < HIGH_WATER {
                steps::advance(&self.conn, s);
            }
            let more =
                !(s.stream.body.state == BodyState::Complete && s.stream.body.buffered() == 0);
            s.stream.body.end_reported = !more;
            return Received::Body { piece, more };
        }
        // The request comes whole, whether its client has left or not.
        if s.stream.body.state == BodyState::Complete && !s.stream.body.end_reported {
            s.stream.body.end_reported = true;
            return Received::Body {
                piece: Bytes::new(),
                more: false,
            };
        }
        if s.stream.left {
            s.stream.end_reported = true;
            return Received::Disconnect;
        }
        match s.stream.body.state {
            BodyState::Failed => return Received::Disconnect,
            BodyState::Open => {
                if let Some(interim) = s.http.continue_100() {
                    ConnectionOutput::of(&mut s.transport, &mut s.out, &mut s.write_closed)
                        .write([interim, b"", b""]);
                }
                if !s.stream.waits.receive {
                    s.stream.body_progress = self.conn.net.now();
                    s.stream.pace.wait_begins(s.stream.body_progress);
                }
            }
            BodyState::Complete => {}
        }
        s.stream.waits.receive = true;
        Received::Wait
    }

    /// Whether the client waits for a `100 Continue` before it sends the body.
    pub fn awaits_continue(&self) -> bool {
        let s = self.conn.lock();
        self.is_current(&s) && s.stream.body.buffered() == 0 && s.http.awaits_continue()
    }
}
