//! The steps of a connection: the one place that moves it from mode to mode.

use std::sync::Arc;

use super::Conn;
use super::body::BodyState;
use super::output::ConnectionOutput;
use super::state::{
    CloseKind, ConnectionMode, ConnectionState, DISCARD_LIMIT, HIGH_WATER, Opening,
};
use crate::http::{HttpEvent, InputFault, Refusal, RequestHead, ResponseState};
use crate::proxy::Disagreement;
use crate::worker::ledger::Outcome;
use crate::worker::transport::ReadResult;

impl Conn {
    /// Continues until the next step needs the socket, the app or time, or until the connection has used its share of
    /// the turn; the reactor then resumes it in the next one.
    pub(in crate::worker) fn advance(self: &Arc<Self>, s: &mut ConnectionState) {
        self.take_steps(s);
        self.schedule(s);
    }

    fn take_steps(self: &Arc<Self>, s: &mut ConnectionState) {
        let turn = self.net.clock.turns();
        loop {
            if !s.share.take(turn, || self.net.turn_budget.is_used_up()) {
                self.wait_for_a_turn(s);
                return;
            }
            let progress = match s.mode {
                ConnectionMode::Head => self.head(s),
                ConnectionMode::Exchange => self.exchange(s),
                ConnectionMode::WebSocket => self.websocket(s),
                ConnectionMode::Http2 => self.http2(s),
                ConnectionMode::Discard(left) => self.discard(s, left),
                ConnectionMode::Closing(close_kind) => self.closing(s, close_kind),
                ConnectionMode::Linger => self.linger(s),
                ConnectionMode::GivenBack if s.write_closed => {
                    self.close_handed_over(s);
                    false
                }
                ConnectionMode::HandedOver | ConnectionMode::GivenBack | ConnectionMode::Closed => {
                    false
                }
            };
            if !progress {
                return;
            }
        }
    }

    fn head(self: &Arc<Self>, s: &mut ConnectionState) -> bool {
        if s.write_closed {
            self.shut(s);
            return false;
        }
        if s.out.len() > HIGH_WATER || s.pending.is_some() {
            // A client that pipelines and does not read gets no further responses that would stay unread.
            return false;
        }
        match s.opening {
            Opening::Over => {}
            Opening::ProxyHeader => return self.proxy_header(s),
            Opening::Preface => return self.preface(s),
        }
        match s.http.poll_event() {
            HttpEvent::Request(head) => {
                self.begin(s, head);
                true
            }
            HttpEvent::NeedInput => self.read_head(s),
            HttpEvent::Refused(refusal) => {
                self.refuse(s, refusal);
                true
            }
            HttpEvent::Closed => {
                self.begin_close(s, CloseKind::Plain);
                true
            }
            // A head comes before a body.
            HttpEvent::Body(_) | HttpEvent::EndOfBody | HttpEvent::Paused => false,
        }
    }

    /// As `read`; the head's timeout starts with its first byte.
    pub(in crate::worker) fn read_head(self: &Arc<Self>, s: &mut ConnectionState) -> bool {
        let progress = self.read(s);
        // Its first bytes may have come behind the request before it.
        if s.clock.head_since.is_none() && !s.http.is_idle() {
            s.clock.head_since = Some(self.net.now());
        }
        progress
    }

    fn begin(self: &Arc<Self>, s: &mut ConnectionState, mut head: RequestHead) {
        self.wake_waiters(s);
        if s.clock.fresh {
            self.note_tls(s);
        }
        if self.net.drain.closes_after_response() {
            s.close_after_answer();
        }
        let now = self.net.now();
        s.mode = ConnectionMode::Exchange;
        s.clock.fresh = false;
        s.clock.head_since = None;
        s.clock.released = false;
        s.stream = s.stream.next(head.has_body(), now);
        if self.net.held.is_some() && self.passes_to_held(s, &head) {
            return;
        }
        let ledger = &self.net.ledger;
        ledger.identify(&mut head, &mut s.http);
        let entry = ledger.begin(&head, now);
        let mark = entry.mark();
        s.stream.entry = Some(entry);
        if (self.net.settings.limit_concurrency).is_some_and(|limit| ledger.in_flight() > limit) {
            self.refuse(s, Refusal::Overloaded);
            return;
        }
        if s.transport.lacks_tls() {
            self.refuse(s, Refusal::PlainHttp);
            return;
        }
        let forwarded = match self.forwarded_request(&head) {
            Ok(forwarded) => forwarded,
            Err(Disagreement) => {
                self.refuse(s, Refusal::SchemesDisagree);
                return;
            }
        };
        if self.net.held.is_some() {
            self.mark_visitor(s, &head, forwarded.as_deref());
        }
        if self.answer_plain(s, &head, forwarded.as_deref()) {
            return;
        }
        if let Some(entry) = &mut s.stream.entry {
            let client = forwarded.as_ref().and_then(|forwarded| forwarded.client);
            entry.client = client.map(|client| client.address);
            if let Some(tls) = self.tls.get() {
                entry.note_tls(tls);
            }
        }
        s.ws = None;
        if self.net.is_handshake(&head)
            && let Err(refusal) = self.open_handshake(s, &head)
        {
            self.refuse(s, refusal);
            return;
        }
        self.requests.begin(self, s, head, mark, forwarded);
    }

    /// Reads the body as far as the app keeps up, and watches for a client that disconnects.
    fn exchange(self: &Arc<Self>, s: &mut ConnectionState) -> bool {
        if s.stream.body.state == BodyState::Open && s.stream.body.buffered() < HIGH_WATER {
            match s.http.poll_event() {
                HttpEvent::Body(piece) => {
                    s.stream.pace.came(piece.len());
                    s.stream.body.push(piece);
                    s.stream.body_progress = self.net.now();
                    self.notify_reader(s);
                    return true;
                }
                HttpEvent::EndOfBody => {
                    s.stream.body.state = BodyState::Complete;
                    self.notify_reader(s);
                    return true;
                }
                HttpEvent::Refused(refusal) => {
                    self.fail_body(s, refusal);
                    return true;
                }
                HttpEvent::NeedInput => {}
                HttpEvent::Closed | HttpEvent::Paused | HttpEvent::Request(_) => {
                    self.fail_body(s, Refusal::TruncatedBody);
                    return true;
                }
            }
        } else if s.http.buffered() > HIGH_WATER || s.stream.body.state == BodyState::Open {
            return self.notice_end(s);
        }
        self.read(s) || self.notice_end(s)
    }

    /// The client has certainly disconnected: an app that waits or writes must be notified.
    fn notice_end(self: &Arc<Self>, s: &mut ConnectionState) -> bool {
        if s.write_closed && !s.stream.left {
            s.stream.left = true;
            self.notify_reader(s);
            self.flush(s);
        }
        false
    }

    /// The rest of the body will not arrive. If no response has begun, the client gets an error status.
    pub(in crate::worker) fn fail_body(
        self: &Arc<Self>,
        s: &mut ConnectionState,
        refusal: Refusal,
    ) {
        s.stream.body.state = BodyState::Failed;
        s.stream.body.clear();
        s.stream.left = true;
        self.notify_reader(s);
        if matches!(
            s.http.response_state(),
            ResponseState::NotStarted | ResponseState::HeadPending
        ) {
            self.refuse(s, refusal);
        }
    }

    pub(in crate::worker) fn notify_reader(self: &Arc<Self>, s: &mut ConnectionState) {
        if std::mem::take(&mut s.stream.waits.receive) {
            s.stream.pace.wait_ends(self.net.now());
            self.net.app().readable(self.request_key(s));
        }
    }

    /// Wakes the app where it still waits in `receive` or `send` of the request in progress: there is nothing more to
    /// wait for.
    pub(super) fn wake_waiters(self: &Arc<Self>, s: &mut ConnectionState) {
        self.notify_reader(s);
        if std::mem::take(&mut s.stream.waits.send) {
            self.net.app().writable(self.request_key(s));
        }
    }

    /// Reads once. False: nothing to read now.
    pub(in crate::worker) fn read(self: &Arc<Self>, s: &mut ConnectionState) -> bool {
        if !s.transport.is_readable() || s.read_ended {
            return false;
        }
        if s.transport.is_handshaking() {
            return self.shake_hands(s);
        }
        self.read_once(s)
    }

    /// Also reads the bytes of a TLS handshake.
    pub(super) fn read_once(self: &Arc<Self>, s: &mut ConnectionState) -> bool {
        let result = if s.transport.is_complete() {
            // Most streams have no body, and need no buffer for one.
            ReadResult::Complete
        } else {
            let input = match s.ws.as_mut().and_then(|ws| ws.frames.as_mut()) {
                None => s.http.input(),
                Some(frames) => frames.input(),
            };
            s.transport.read(input)
        };
        match result {
            ReadResult::End => {
                s.read_ended = true;
                s.http.input_ended();
                s.clock.fin_at = Some(self.net.now());
                true
            }
            ReadResult::Complete => {
                s.read_ended = true;
                s.http.input_ended();
                true
            }
            ReadResult::Bytes(count) => {
                self.net.page.received(count as u64);
                true
            }
            ReadResult::Refused(fault) => {
                s.read_ended = true;
                s.http.input_failed(fault);
                true
            }
            ReadResult::Nothing => false,
            ReadResult::Failed => {
                self.report_tls_failure(s);
                s.write_closed = true;
                s.read_ended = true;
                s.http.input_failed(InputFault::Truncated);
                true
            }
        }
    }

    /// Responds in place of the app, and closes.
    pub(in crate::worker) fn refuse(self: &Arc<Self>, s: &mut ConnectionState, refusal: Refusal) {
        {
            let date = self.net.clock.date();
            let answer = s.http.refuse(refusal, &date.1);
            ConnectionOutput::of(&mut s.transport, &mut s.out, &mut s.write_closed)
                .write([answer, b"", b""]);
        }
        if s.stream.entry.is_none() {
            self.net.ledger.refused(Outcome {
                status: refusal.status(),
                bytes: s.http.response_body_len(),
                peer: self.logged_client(),
            });
        }
        self.log_refusal(refusal);
        self.begin_close(s, CloseKind::Lingering);
    }

    /// Logs the kinds of refused requests, and how often each occurs, at a bounded rate whatever clients send.
    fn log_refusal(&self, refusal: Refusal) {
        let (status, reason, peer) = (refusal.status(), refusal.reason(), self.shown_peer());
        // The app's traceback is more useful.
        let is_known = match refusal {
            // The sentinel logs when that begins and ends.
            Refusal::AppFailed | Refusal::Queued { .. } => true,
            _ => false,
        };
        if is_known || !self.net.log_throttle.admits(reason, self.net.now()) {
            tracing::debug!(status, reason, peer, "request refused");
        } else if refusal == Refusal::Overloaded {
            tracing::warn!(status, reason, peer, "request refused");
        } else {
            tracing::info!(status, reason, peer, "request refused");
        }
    }

    /// The app's response is complete (or can never be): decides whether the connection continues.
    pub(in crate::worker) fn response_ended(self: &Arc<Self>, s: &mut ConnectionState) {
        if s.mode == ConnectionMode::Exchange {
            self.conclude(s);
            self.advance(s);
        }
    }

    /// As `response_ended`, where the caller continues with the connection.
    pub(in crate::worker) fn conclude(self: &Arc<Self>, s: &mut ConnectionState) {
        s.clock.untaken = 0;
        s.stream.answered = s.http.response_state() == ResponseState::Complete;
        let unread = s.stream.body.state == BodyState::Open;
        let keep =
            s.http.is_keep_alive() && s.stream.body.state != BodyState::Failed && !s.write_closed;
        // The client waits for a `100 Continue` that will not be sent, and may or may not send the body.
        if !keep {
            let close_kind = if unread || s.closed_by_us || s.http.buffered() > 0 {
                CloseKind::Lingering
            } else {
                CloseKind::Plain
            };
            self.begin_close(s, close_kind);
        } else {
            self.end_exchange(s);
            if unread {
                s.mode = ConnectionMode::Discard(DISCARD_LIMIT);
                s.clock.ending_since = self.net.now();
            } else {
                s.mode = ConnectionMode::Head;
                s.clock.idle_since = self.net.now();
            }
        }
    }

    /// Completes the request's ledger entry, and wakes an app that waits for the end of the request.
    pub(super) fn end_exchange(self: &Arc<Self>, s: &mut ConnectionState) {
        s.stream.parked = None;
        match s.stream.entry.take() {
            None => {
                self.end_websocket(s);
                self.record_handed_over(s);
            }
            Some(entry) => {
                let outcome = Outcome {
                    status: s.http.response_status(),
                    bytes: s.http.response_body_len(),
                    peer: self.logged_client(),
                };
                self.net.ledger.end(entry, outcome);
                s.stream.body.clear();
                s.stream.left = true;
            }
        }
        self.notify_reader(s);
    }

    fn discard(self: &Arc<Self>, s: &mut ConnectionState, left: usize) -> bool {
        match s.http.poll_event() {
            HttpEvent::Body(piece) if piece.len() <= left => {
                s.mode = ConnectionMode::Discard(left - piece.len())
            }
            HttpEvent::EndOfBody => {
                s.mode = ConnectionMode::Head;
                s.clock.idle_since = self.net.now();
            }
            HttpEvent::NeedInput => return self.read(s),
            HttpEvent::Body(_)
            | HttpEvent::Refused(_)
            | HttpEvent::Closed
            | HttpEvent::Paused
            | HttpEvent::Request(_) => {
                self.begin_close(s, CloseKind::Lingering);
            }
        }
        true
    }

    pub(in crate::worker) fn begin_close(
        self: &Arc<Self>,
        s: &mut ConnectionState,
        close_kind: CloseKind,
    ) {
        self.end_exchange(s);
        s.mode = ConnectionMode::Closing(close_kind);
        s.clock.ending_since = self.net.now();
    }

    fn closing(self: &Arc<Self>, s: &mut ConnectionState, close_kind: CloseKind) -> bool {
        if s.is_unsent() && !s.write_closed {
            return false;
        }
        let shut = close_kind == CloseKind::Plain || s.read_ended || s.write_closed;
        if !shut && s.transport.half_close().is_ok() {
            s.mode = ConnectionMode::Linger;
            s.clock.ending_since = self.net.now();
            return true;
        }
        self.shut(s);
        false
    }

    fn linger(self: &Arc<Self>, s: &mut ConnectionState) -> bool {
        if !s.transport.is_readable() {
            return false;
        }
        match s.transport.discard() {
            ReadResult::Bytes(_) => true,
            ReadResult::Nothing => false,
            ReadResult::End
            | ReadResult::Complete
            | ReadResult::Refused(_)
            | ReadResult::Failed => {
                self.shut(s);
                false
            }
        }
    }

    /// Aborts a response that has begun: the client gets what was sent of it, and can detect that it is incomplete.
    pub(in crate::worker) fn cut(self: &Arc<Self>, s: &mut ConnectionState) {
        let silent = s.http.is_close_delimited();
        s.http.abort();
        self.flush(s);
        let close_kind = if silent {
            // A FIN would look like a complete response.
            s.transport.reset_on_close();
            CloseKind::Plain
        } else {
            CloseKind::Lingering
        };
        self.begin_close(s, close_kind);
    }
}
