//! The end of a request's app, and its consequence for the client.

use super::super::connection::{CloseKind, ending, refusals, steps};
use super::Exchange;
use crate::http::{Refusal, ResponseState};

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
