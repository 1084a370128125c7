//! What a connection does next: the one place that moves it from mode to mode. It does not run apps.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::Conn;
use super::body::BodyState;
use super::output::Output;
use super::pace::Pace;
use super::state::{DISCARD_LIMIT, Goodbye, HIGH_WATER, Mode, State};
use crate::http::{Event, KnownName, Refusal, RequestHead, ResponseState};
use crate::proxy::Disagreement;
use crate::sys;
use crate::worker::exchange::Exchange;
use crate::worker::record::Ended;
use crate::worker::request_start;
use crate::worker::transport::Read;

/// What logs and metrics call a request that ended before its response began, as nginx does: most often the client has left.
const UNANSWERED: u16 = 499;

impl Conn {
    /// Goes on until the next step needs the socket, the app or time; or until the connection has had its share of the turn,
    /// and then the reactor comes back to it in the next one.
    pub(in crate::worker) fn advance(self: &Arc<Self>, s: &mut State) {
        let turn = self.net.turns();
        loop {
            if !s.share.take(turn) {
                self.wait_for_a_turn(s);
                return;
            }
            let progress = match s.mode {
                Mode::Head => self.head(s),
                Mode::Exchange => self.exchange(s),
                Mode::WebSocket => self.websocket(s),
                Mode::Discard(left) => self.discard(s, left),
                Mode::Closing(goodbye) => self.closing(s, goodbye),
                Mode::Linger => self.linger(s),
                Mode::Closed => false,
            };
            if !progress {
                return;
            }
        }
    }

    fn head(self: &Arc<Self>, s: &mut State) -> bool {
        if s.write_closed {
            self.shut(s);
            return false;
        }
        if s.out.len() > HIGH_WATER || s.part.is_some() {
            // A client that pipelines and does not read gets no further answers to leave unread.
            return false;
        }
        if s.awaits_proxy_header {
            return self.proxy_header(s);
        }
        match s.http.poll_event() {
            Event::Request(head) => {
                self.begin(s, head);
                true
            }
            Event::NeedInput => {
                let progress = self.read(s);
                if progress && s.clock.head_since.is_none() && !s.http.is_idle() {
                    s.clock.head_since = Some(self.net.now());
                }
                progress
            }
            Event::Refused(refusal) => {
                self.refuse(s, refusal);
                true
            }
            Event::Closed => {
                self.say_goodbye(s, Goodbye::Plain);
                true
            }
            // A head comes before a body.
            Event::Body(_) | Event::EndOfBody | Event::Paused => false,
        }
    }

    fn begin(self: &Arc<Self>, s: &mut State, mut head: RequestHead) {
        self.wake_waiters(s);
        s.number += 1;
        if self.net.gives_last_answers() {
            s.close_after_answer();
        }
        s.mode = Mode::Exchange;
        s.clock.fresh = false;
        s.clock.head_waited = false;
        s.clock.head_since = None;
        s.clock.body_progress = self.net.now();
        s.pace = Pace::default();
        s.body.state = if head.has_body() {
            BodyState::Open
        } else {
            BodyState::Complete
        };
        s.body.end_told = false;
        s.left = false;
        s.told = false;
        s.started_us = micros();
        self.identify(s, &mut head);
        let ticket = self.net.page.request_started(
            head.method().as_bytes(),
            head.target_path(),
            head.field(self.net.id_field()).unwrap_or_default(),
            self.net.now(),
        );
        let mark = ticket.mark();
        s.ticket = Some(ticket);
        let in_flight = self.net.request_started();
        if let Some(value) = head.header(KnownName::XRequestStart)
            && let Some(waited) = request_start::waited_ms(value, wall_clock_us())
        {
            self.net.page.request_queued(waited);
        }
        if self.net.logs(&head) {
            s.logged = Some(head.clone());
        }
        if self
            .net
            .settings
            .limit_concurrency
            .is_some_and(|limit| in_flight > limit)
        {
            self.refuse(s, Refusal::Overloaded);
            return;
        }
        let told = match self.told(&head) {
            Ok(told) => told,
            Err(Disagreement) => {
                self.refuse(s, Refusal::SchemesDisagree);
                return;
            }
        };
        s.told_client = told
            .as_ref()
            .and_then(|told| told.client)
            .map(|client| client.address);
        s.ws = None;
        if self.net.is_handshake(&head)
            && let Err(refusal) = self.open_handshake(s, &head)
        {
            self.refuse(s, refusal);
            return;
        }
        self.net
            .app()
            .request(Exchange::new(self.clone(), s.number, mark, told), head);
    }

    /// Takes the body as far as the app keeps up, and watches for a client that leaves.
    fn exchange(self: &Arc<Self>, s: &mut State) -> bool {
        if s.body.state == BodyState::Open && s.body.buffered() < HIGH_WATER {
            match s.http.poll_event() {
                Event::Body(piece) => {
                    s.pace.came(piece.len());
                    s.body.push(piece);
                    s.clock.body_progress = self.net.now();
                    self.tell_reader(s);
                    return true;
                }
                Event::EndOfBody => {
                    s.body.state = BodyState::Complete;
                    self.tell_reader(s);
                    return true;
                }
                Event::Refused(refusal) => {
                    self.fail_body(s, refusal);
                    return true;
                }
                Event::NeedInput => {}
                Event::Closed | Event::Paused | Event::Request(_) => {
                    self.fail_body(s, Refusal::TruncatedBody);
                    return true;
                }
            }
        } else if s.http.buffered() > HIGH_WATER || s.body.state == BodyState::Open {
            return self.notice_end(s);
        }
        self.read(s) || self.notice_end(s)
    }

    /// The client has certainly left: an app that waits or writes is to know.
    fn notice_end(self: &Arc<Self>, s: &mut State) -> bool {
        if s.write_closed && !s.left {
            s.left = true;
            self.tell_reader(s);
            self.flush(s);
        }
        false
    }

    /// The rest of the body will not come. Where nothing was answered yet, the client learns why.
    pub(in crate::worker) fn fail_body(self: &Arc<Self>, s: &mut State, refusal: Refusal) {
        s.body.state = BodyState::Failed;
        s.body.clear();
        s.left = true;
        self.tell_reader(s);
        if matches!(
            s.http.response_state(),
            ResponseState::NotStarted | ResponseState::HeadPending
        ) {
            self.refuse(s, refusal);
        }
    }

    pub(in crate::worker) fn tell_reader(self: &Arc<Self>, s: &mut State) {
        if std::mem::take(&mut s.waits.receive) {
            s.pace.wait_ends(self.net.now());
            self.net.app().readable(self.request_key(s));
        }
    }

    /// Whoever still waits for the request in progress looks again: there is nothing more to wait for.
    pub(super) fn wake_waiters(self: &Arc<Self>, s: &mut State) {
        self.tell_reader(s);
        if std::mem::take(&mut s.waits.send) {
            self.net.app().writable(self.request_key(s));
        }
    }

    /// Reads once. False: nothing to read now.
    pub(in crate::worker) fn read(self: &Arc<Self>, s: &mut State) -> bool {
        if !s.transport.is_readable() || s.read_ended {
            return false;
        }
        let input = match s.ws.as_mut().and_then(|ws| ws.frames.as_mut()) {
            None => s.http.input(),
            Some(frames) => frames.input(),
        };
        match s.transport.read(input) {
            Read::End => {
                s.read_ended = true;
                s.http.input_ended();
                s.clock.fin_at = Some(self.net.now());
                true
            }
            Read::Bytes(count) => {
                self.net.page.received(count as u64);
                true
            }
            Read::Nothing => false,
            Read::Failed => {
                s.write_closed = true;
                s.read_ended = true;
                s.http.input_ended();
                true
            }
        }
    }

    /// Answers for the app (or instead of it) and closes.
    pub(in crate::worker) fn refuse(self: &Arc<Self>, s: &mut State, refusal: Refusal) {
        {
            let date = self.net.date();
            let answer = s.http.refuse(refusal, &date.1);
            Output::of(&mut s.transport, &mut s.out, &mut s.write_closed).write([answer, b"", b""]);
        }
        if s.ticket.is_none() {
            self.record_refused(refusal, s.http.response_body_len());
        }
        self.tell_refused(refusal);
        self.say_goodbye(s, Goodbye::Lingering);
    }

    /// An operator sees what kinds of requests are refused, and how often, whatever clients send.
    fn tell_refused(&self, refusal: Refusal) {
        let (status, reason, peer) = (refusal.status(), refusal.reason(), self.shown_peer());
        // Their own lines tell more: the app's traceback, or that the worker leaves.
        let is_known = matches!(refusal, Refusal::AppFailed | Refusal::Draining);
        if is_known || !self.net.complaints.admits(reason, self.net.now()) {
            tracing::debug!(status, reason, peer, "request refused");
        } else if refusal == Refusal::Overloaded {
            tracing::warn!(status, reason, peer, "request refused");
        } else {
            tracing::info!(status, reason, peer, "request refused");
        }
    }

    /// A request that did not reach an app has its line in the access log, too; what it was is not known.
    fn record_refused(&self, refusal: Refusal, bytes: u64) {
        let ended = Ended {
            status: refusal.status(),
            bytes,
            duration: Duration::ZERO,
            client: None,
        };
        self.record(None, None, &ended);
    }

    /// The app's response is out (or can never be): what becomes of the connection.
    pub(in crate::worker) fn response_ended(self: &Arc<Self>, s: &mut State) {
        if s.mode != Mode::Exchange {
            return;
        }
        let unread = s.body.state == BodyState::Open;
        let keep = s.http.is_keep_alive() && s.body.state != BodyState::Failed && !s.write_closed;
        // The client waits for a `100 Continue` that will not come: whether it sends the body anyway is its choice.
        if !keep {
            let goodbye = if unread || s.closed_by_us || s.http.buffered() > 0 {
                Goodbye::Lingering
            } else {
                Goodbye::Plain
            };
            self.say_goodbye(s, goodbye);
        } else {
            self.end_exchange(s);
            if unread {
                s.mode = Mode::Discard(DISCARD_LIMIT);
                s.clock.ending_since = self.net.now();
            } else {
                s.mode = Mode::Head;
                s.clock.idle_since = self.net.now();
            }
        }
        self.advance(s);
    }

    /// The books of a request are closed; its app learns of the end where it waits for it.
    pub(super) fn end_exchange(self: &Arc<Self>, s: &mut State) {
        let Some(ticket) = s.ticket.take() else {
            self.end_websocket(s);
            self.tell_reader(s);
            return;
        };
        let micros = micros().saturating_sub(s.started_us);
        let (status, bytes) = (s.http.response_status(), s.http.response_body_len());
        self.net
            .page
            .request_finished(ticket, status, micros, bytes);
        self.net.request_finished();
        let status = if status == 0 { UNANSWERED } else { status };
        if let Some(statsd) = &self.net.statsd {
            statsd.lock().request(status, micros);
        }
        if let Some(head) = s.logged.take() {
            let ended = Ended {
                status,
                bytes,
                duration: Duration::from_micros(micros),
                client: s.told_client,
            };
            self.record(Some(&head), s.noted.take().as_deref(), &ended);
        }
        s.body.clear();
        s.left = true;
        self.tell_reader(s);
    }

    fn discard(self: &Arc<Self>, s: &mut State, left: usize) -> bool {
        match s.http.poll_event() {
            Event::Body(piece) if piece.len() <= left => s.mode = Mode::Discard(left - piece.len()),
            Event::EndOfBody => {
                s.mode = Mode::Head;
                s.clock.idle_since = self.net.now();
            }
            Event::NeedInput => return self.read(s),
            Event::Body(_)
            | Event::Refused(_)
            | Event::Closed
            | Event::Paused
            | Event::Request(_) => {
                self.say_goodbye(s, Goodbye::Lingering);
            }
        }
        true
    }

    pub(in crate::worker) fn say_goodbye(self: &Arc<Self>, s: &mut State, goodbye: Goodbye) {
        self.end_exchange(s);
        s.mode = Mode::Closing(goodbye);
        s.clock.ending_since = self.net.now();
    }

    fn closing(self: &Arc<Self>, s: &mut State, goodbye: Goodbye) -> bool {
        if s.is_unsent() && !s.write_closed {
            return false;
        }
        let shut = goodbye == Goodbye::Plain || s.read_ended || s.write_closed;
        if !shut && s.transport.half_close().is_ok() {
            s.mode = Mode::Linger;
            s.clock.ending_since = self.net.now();
            return true;
        }
        self.shut(s);
        false
    }

    fn linger(self: &Arc<Self>, s: &mut State) -> bool {
        if !s.transport.is_readable() {
            return false;
        }
        match s.transport.discard() {
            Read::Bytes(_) => true,
            Read::Nothing => false,
            Read::End | Read::Failed => {
                self.shut(s);
                false
            }
        }
    }

    /// Gives up a response that has begun: the client must see that it is cut, and gets what was sent of it.
    pub(in crate::worker) fn cut(self: &Arc<Self>, s: &mut State) {
        let silent = s.http.is_close_delimited();
        s.http.abort();
        self.flush(s);
        if silent {
            // A FIN would look like the proper end.
            s.transport.reset_on_close();
            s.write_closed = true;
        }
        self.say_goodbye(s, Goodbye::Lingering);
    }
}

/// Since 1970.
fn wall_clock_us() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.map_or(0, |now| u64::try_from(now.as_micros()).unwrap_or(u64::MAX))
}

pub(in crate::worker) fn micros() -> u64 {
    u64::try_from(sys::clock::monotonic().as_micros()).unwrap_or(u64::MAX)
}
