//! A connection whose request the app has not got is passed on to another worker: its descriptor, and the bytes that were
//! read.

use std::os::fd::BorrowedFd;
use std::sync::Arc;

use super::Conn;
use super::body::BodyState;
use super::state::{ConnectionMode, ConnectionState};
use crate::http::{BodyFraming, RequestHead, ResponseState};
use crate::ipc::Transferred;

impl Conn {
    /// `head`, `body`: of the request in progress, which the app has not got; `give` returns whether it has passed the
    /// connection on. True: it has, and the connection is closed here. With TLS, HTTP/2 and after a PROXY header a connection
    /// has state in this process, and stays. So does a request whose bytes are not known any more: decoded chunks.
    pub(in crate::worker) fn transfer(
        self: &Arc<Self>,
        s: &mut ConnectionState,
        head: &RequestHead,
        body: &[&[u8]],
        give: impl FnOnce(BorrowedFd<'_>, Transferred) -> bool,
    ) -> bool {
        let is_repeatable = match head.body_framing() {
            BodyFraming::None | BodyFraming::Length(_) => true,
            BodyFraming::Chunked | BodyFraming::Stream => false,
        };
        if !is_repeatable {
            return false;
        }
        let mut received = head.received().to_vec();
        body.iter()
            .for_each(|piece| received.extend_from_slice(piece));
        self.leave_to(s, &received, give)
    }

    /// `received`: what was taken from the connection of the request in progress, as it came.
    pub(super) fn leave_to(
        self: &Arc<Self>,
        s: &mut ConnectionState,
        received: &[u8],
        give: impl FnOnce(BorrowedFd<'_>, Transferred) -> bool,
    ) -> bool {
        let (Some(listener), None) = (self.listener(), self.key.stream()) else {
            return false;
        };
        let is_untouched = s.http.response_state() == ResponseState::NotStarted
            && s.stream.body.state != BodyState::Failed
            && !s.is_unsent()
            && !s.write_closed
            && !s.stream.left;
        if !is_untouched || self.net.sends_proxy_header(self.peer) {
            return false;
        }
        let mut received = received.to_vec();
        (s.stream.body.pieces()).for_each(|piece| received.extend_from_slice(piece));
        received.extend_from_slice(s.http.unread());
        let Some(fd) = s.transport.plain_socket() else {
            return false;
        };
        let connection = Transferred {
            listener: u32::try_from(listener).unwrap_or(u32::MAX),
            peer: self.peer,
            received,
        };
        if !give(fd, connection) {
            return false;
        }
        s.transport.release();
        if let Some(entry) = s.stream.entry.take() {
            self.net.ledger.pass_on(entry);
        }
        s.ws = None;
        s.stream.body.clear();
        s.mode = ConnectionMode::Closed;
        self.net.connection_closed(self.key);
        true
    }
}
