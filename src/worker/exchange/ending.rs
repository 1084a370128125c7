//! How an exchange ends: with its app, or because it is refused, or because the app or another worker takes the connection over.

use std::os::fd::{BorrowedFd, OwnedFd};

use bytes::Bytes;

use super::handle::Exchange;
use crate::http::{Refusal, RequestHead, ResponseState};
use crate::ipc::Transferred;
use crate::worker::connection::{
    CloseKind, ConnectionMode, ending, handed, refusals, steps, transfer,
};

/// How an app ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    Returned,
    Failed,
}

/// State of the response when the app had ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ResponseVerdict {
    /// The response was complete, or the client is gone.
    Fine,
    /// No response: a 500 was sent.
    Unanswered,
    /// An incomplete response: the connection was cut.
    Cut,
}

impl Exchange {
    /// Passes the connection itself to the app: a descriptor, and the bytes read behind the request. See
    /// `handed::hand_over`.
    pub fn hand_over(&self) -> Option<(OwnedFd, Bytes)> {
        let s = &mut *self.conn.lock();
        if !self.is_current(s) {
            return None;
        }
        handed::hand_over(&self.conn, s)
    }

    /// The app has finished with the connection. False: it was not taken over, and the request is an ordinary one.
    pub fn take_back(&self) -> bool {
        let s = &mut *self.conn.lock();
        let is_handed_over = s.stream.number == self.number && s.mode == ConnectionMode::HandedOver;
        if is_handed_over {
            handed::take_back(&self.conn, s);
            steps::advance(&self.conn, s);
        }
        is_handed_over
    }

    /// Passes the connection on to another worker, before the app gets the request. See `transfer::with_body`.
    pub fn transfer(
        &self,
        head: &RequestHead,
        body: &[&[u8]],
        give: impl FnOnce(BorrowedFd<'_>, Transferred) -> bool,
    ) -> bool {
        let s = &mut *self.conn.lock();
        self.is_current(s) && transfer::with_body(&self.conn, s, head, body, give)
    }

    /// The app does not get this request: the client gets an error response.
    pub fn refuse(&self, refusal: Refusal) {
        let s = &mut *self.conn.lock();
        if self.is_current(s) {
            refusals::answer(&self.conn, s, refusal);
            steps::advance(&self.conn, s);
        }
    }

    /// The app has finished this request.
    pub fn ended(&self, ending: Ending) -> ResponseVerdict {
        let is_finishing = self.is_finishing();
        let s = &mut *self.conn.lock();
        if !self.is_current(s) {
            return ResponseVerdict::Fine;
        }
        if s.write_closed || s.stream.end_reported {
            if s.http.response_state() == ResponseState::Streaming {
                ending::cut(&self.conn, s);
            } else {
                ending::begin_close(&self.conn, s, CloseKind::Plain);
            }
            steps::advance(&self.conn, s);
            return ResponseVerdict::Fine;
        }
        match s.http.response_state() {
            ResponseState::Complete => ResponseVerdict::Fine,
            _ if is_finishing => ResponseVerdict::Fine,
            // A thread is looking for the file that the app has named.
            ResponseState::NotStarted if s.stream.promised => ResponseVerdict::Fine,
            ResponseState::NotStarted | ResponseState::HeadPending => {
                // A head without a body so far was not sent: the client gets a clean error.
                drop(s.http.reset_response());
                refusals::answer(&self.conn, s, Refusal::AppFailed);
                steps::advance(&self.conn, s);
                if ending == Ending::Failed {
                    ResponseVerdict::Fine
                } else {
                    ResponseVerdict::Unanswered
                }
            }
            ResponseState::Streaming | ResponseState::Aborted => {
                ending::cut(&self.conn, s);
                steps::advance(&self.conn, s);
                ResponseVerdict::Cut
            }
        }
    }
}
