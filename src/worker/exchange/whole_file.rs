//! A body that is a whole file of the app: if its response has `Accept-Ranges: bytes`, the client's conditions and
//! ranges are applied as for a file that is served without the app.

use std::fs::File;

use bytes::Bytes;

use super::super::files::{AppHead, Reply};
use super::Exchange;
use super::sending::{Backpressure, SendError};
use crate::http::{BodyEnd, RequestHead, ResponseState};

impl Exchange {
    /// As `send_file`, of a regular file from its first byte to its last. `head`: of a request that has conditions or
    /// ranges.
    pub fn send_whole_file(
        &self,
        file: File,
        length: u64,
        end: BodyEnd,
        head: Option<&RequestHead>,
    ) -> Result<Backpressure, SendError> {
        let response = match end {
            BodyEnd::Last => self.response_with_ranges(length)?,
            BodyEnd::More | BodyEnd::Trailers => None,
        };
        let Some(response) = response else {
            return self.send_file(file, 0, length, end);
        };
        match file.metadata() {
            Ok(facts) if facts.len() == length => {
                self.reply(&Reply::of_opened(file, &facts, head, &response));
                Ok(Backpressure::Free)
            }
            // The file has grown or shrunk since: the length declared by the app applies.
            Ok(_) | Err(_) => self.send_file(file, 0, length, end),
        }
    }

    /// As `send_whole_file`, of a file whose attributes give no size: a response that declares that as its length gets the real one.
    pub fn send_unsized_file(
        &self,
        content: Bytes,
        end: BodyEnd,
    ) -> Result<Backpressure, SendError> {
        self.leave_file_uncoded()?;
        self.begin_unsized()?;
        self.send_lent(&content, end, &|| Some(content.clone()))
    }

    fn begin_unsized(&self) -> Result<(), SendError> {
        let s = &mut *self.conn.lock();
        self.check(s)?;
        if s.http.response_state() != ResponseState::HeadPending {
            return Ok(());
        }
        let Some(head) = AppHead::begun(s.http.response_status(), s.http.pending_head(), 0) else {
            return Ok(());
        };
        s.http.reset_response()?;
        let fields = head.fields.iter();
        let fields = fields.map(|(name, value)| (&**name, &**value));
        self.begin(s, head.status, None, fields)
    }

    /// The response that has begun, if parts of the file may be sent instead of the whole.
    fn response_with_ranges(&self, length: u64) -> Result<Option<AppHead>, SendError> {
        self.leave_file_uncoded()?;
        let s = &mut *self.conn.lock();
        self.check(s)?;
        if s.http.response_state() != ResponseState::HeadPending {
            return Ok(None);
        }
        let response = AppHead::begun(s.http.response_status(), s.http.pending_head(), length);
        Ok(response.filter(AppHead::has_ranges))
    }
}
