//! Timeouts of clients. A connection is checked when its next deadline has passed, with a precision of 250 ms.

use std::sync::Arc;
use std::time::Duration;

use super::Conn;
use super::body::BodyState;
use super::handed::LAST_BYTES;
use super::output::ConnectionOutput;
use super::state::{CloseKind, ConnectionMode, ConnectionState, Opening};
use crate::http::{BodyEnd, Refusal, ResponseState};
use crate::worker::drain::DrainStage;
use crate::worker::network::millis;
use crate::worker::timers::Tick;

/// Time after a FIN after which a client that might only have closed its side counts as disconnected.
const HALF_CLOSE_GRACE: u64 = 250;
/// How long an idle connection keeps its buffers.
const RELEASE: u64 = 1_000;
/// In milliseconds: a deadline this late means none.
const FOR_EVER: u64 = u64::MAX / 4;
/// How long a closed connection waits for the client's FIN, once the client has read the response.
const LINGER: u64 = 2_000;
/// How long the rest of an unread body may take, once the client has read the response.
const DISCARD: u64 = 5_000;

impl Conn {
    /// When it is to be checked again, in monotonic milliseconds; 0: at the next tick. What happens until then may
    /// only make it earlier, and ends in `advance`, which calls this again.
    fn next_timeout(&self, s: &ConnectionState) -> Option<u64> {
        let limits = &self.net.settings.client;
        let drains = self.net.drain.stage() != DrainStage::Serving;
        match s.mode {
            ConnectionMode::Closed => None,
            // The app's responsibility, until the worker exits.
            ConnectionMode::HandedOver => drains.then_some(0),
            ConnectionMode::GivenBack => Some(s.clock.ending_since + LAST_BYTES),
            ConnectionMode::Head if !drains && !s.is_unsent() => Some(match s.clock.head_since {
                Some(since) => since + millis(limits.head),
                None if s.http.is_idle() && !s.clock.released => s.clock.inactive_since() + RELEASE,
                None if s.clock.fresh => s.clock.inactive_since() + millis(limits.first_byte),
                // It reads the last response, and is idle from the end of that on.
                None if s.clock.untaken > 0 => self.net.now() + RELEASE,
                None => s.clock.inactive_since() + millis(limits.keep_alive),
            }),
            ConnectionMode::WebSocket if !drains => Some(self.next_websocket_timeout(s)),
            ConnectionMode::Http2 => Some(self.next_http2_timeout(s)),
            ConnectionMode::Linger => Some(s.clock.ended_since() + LINGER),
            // Something is in progress, whose deadlines move with each byte.
            ConnectionMode::Head
            | ConnectionMode::WebSocket
            | ConnectionMode::Exchange
            | ConnectionMode::Discard(_)
            | ConnectionMode::Closing(_) => Some(0),
        }
    }

    /// Registers the next deadline with the timers.
    pub(in crate::worker) fn schedule(&self, s: &mut ConnectionState) {
        // A limit that is off yields a deadline beyond the timer table.
        let Some(at) = self.next_timeout(s).filter(|at| *at < FOR_EVER) else {
            return;
        };
        let tick = Tick::at(at).max(Tick::after(self.net.now()));
        if tick < s.scheduled {
            s.scheduled = tick;
            self.net.agenda.timers.lock().add(tick, self.key);
        }
    }

    /// Applies every deadline that has passed at `now` (monotonic milliseconds).
    pub fn tick(self: &Arc<Self>, now: u64) {
        let s = &mut *self.lock();
        if Tick::after(now) <= s.scheduled {
            // The deadline was moved earlier, or is handled already.
            return;
        }
        s.scheduled = Tick::NEVER;
        self.apply_timeouts(s, now);
        self.schedule(s);
    }

    fn apply_timeouts(self: &Arc<Self>, s: &mut ConnectionState, now: u64) {
        let limits = &self.net.settings.client;
        let over = |since: u64, limit: Duration| now.saturating_sub(since) >= millis(limit);
        if s.is_unsent() {
            s.notice_reading(now);
        }
        match s.mode {
            ConnectionMode::Head => self.head_tick(s, now),
            ConnectionMode::WebSocket => self.websocket_tick(s, now),
            ConnectionMode::Http2 => self.http2_tick(s, now),
            ConnectionMode::HandedOver | ConnectionMode::GivenBack => self.handed_over_tick(s, now),
            ConnectionMode::Exchange => {
                if let Some(fin) = s.clock.fin_at
                    && !s.stream.left
                    && now.saturating_sub(fin) >= HALF_CLOSE_GRACE
                {
                    s.stream.left = true;
                    self.notify_reader(s);
                }
                if s.http.response_state() == ResponseState::HeadPending
                    && self.net.app().flushes_head_early()
                {
                    self.send_head(s);
                }
                if s.transport.withholds_credit() {
                    s.stream.body_progress = now;
                    s.stream.pace.excuse(now);
                }
                if s.is_unsent() && over(s.clock.write_progress, limits.write) {
                    self.abandon(s);
                } else if self.is_expired(s) && self.net.app().cancel(self.request_key(s)) {
                    self.answer_for_the_app(s);
                } else if s.stream.body.state == BodyState::Open
                    && s.stream.waits.receive
                    && (over(s.stream.body_progress, limits.body)
                        || s.stream.pace.is_slower_than(
                            limits.body_rate,
                            4 * millis(limits.body),
                            now,
                        ))
                {
                    self.fail_body(s, Refusal::BodyTimeout);
                    self.advance(s);
                }
            }
            ConnectionMode::Discard(_) => {
                if self.is_end_over(s, DISCARD, now) {
                    self.begin_close(s, CloseKind::Lingering);
                    self.advance(s);
                }
            }
            ConnectionMode::Linger => {
                if self.is_end_over(s, LINGER, now) {
                    self.shut(s);
                }
            }
            ConnectionMode::Closing(_)
                if over(
                    s.clock.ending_since.max(s.clock.write_progress),
                    limits.write,
                ) =>
            {
                self.abandon(s)
            }
            ConnectionMode::Closing(_) | ConnectionMode::Closed => {}
        }
    }

    /// Whether a connection whose response is complete has waited long enough: `limit` in milliseconds from when the client has read
    /// everything, and until then for as long as it reads. What the kernel still holds would be lost if the client sent anything more to a
    /// closed connection.
    fn is_end_over(&self, s: &mut ConnectionState, limit: u64, now: u64) -> bool {
        s.notice_reading(now);
        let is_read = !s.is_unsent() && s.clock.untaken == 0;
        let limit = if is_read {
            limit
        } else {
            millis(self.net.settings.client.write)
        };
        now.saturating_sub(s.clock.ended_since()) >= limit
    }

    /// Past `--request-timeout`, with the response incomplete.
    fn is_expired(&self, s: &ConnectionState) -> bool {
        let Some(limit) = self.net.settings.request_timeout else {
            return false;
        };
        let is_old = (s.stream.entry.as_ref()).is_some_and(|entry| entry.age() >= limit);
        is_old && s.http.response_state() != ResponseState::Complete
    }

    /// 504 where nothing was sent, else closes the connection; the app is notified separately.
    fn answer_for_the_app(self: &Arc<Self>, s: &mut ConnectionState) {
        match s.http.response_state() {
            ResponseState::NotStarted | ResponseState::HeadPending => {
                // A head without a body so far was not sent.
                drop(s.http.reset_response());
                self.refuse(s, Refusal::AppTimeout);
            }
            ResponseState::Streaming | ResponseState::Aborted | ResponseState::Complete => {
                self.cut(s);
            }
        }
        self.advance(s);
    }

    fn head_tick(self: &Arc<Self>, s: &mut ConnectionState, now: u64) {
        let limits = &self.net.settings.client;
        let over = |since: u64, limit: Duration| now.saturating_sub(since) >= millis(limit);
        if let Some(since) = s.clock.head_since {
            if over(since, limits.head) && s.opening == Opening::ProxyHeader {
                self.refuse_proxy_header(s, "PROXY header took too long");
                self.advance(s);
            } else if over(since, limits.head) {
                self.refuse(s, Refusal::HeadTimeout);
                self.advance(s);
            }
            return;
        }
        if s.is_unsent() {
            if over(s.clock.inactive_since(), limits.write) {
                self.abandon(s);
            }
            return;
        }
        if !s.clock.fresh {
            s.notice_reading(now);
        }
        if now.saturating_sub(s.clock.inactive_since()) >= RELEASE {
            s.http.release_buffers();
            s.clock.released = true;
        }
        let limit = if s.clock.fresh {
            limits.first_byte
        } else {
            limits.keep_alive
        };
        let draining =
            self.net.drain.stage() != DrainStage::Serving && now >= self.net.drain.idle_until();
        let is_over = over(s.clock.inactive_since(), limit) && !self.still_reads(s, now);
        if is_over && s.clock.untaken > 0 {
            self.abandon(s);
        } else if is_over || draining {
            self.report_slow_handshake(s);
            // With a linger: a request may be on the wire at this moment.
            self.begin_close(s, CloseKind::Lingering);
            self.advance(s);
        }
    }

    /// Whether the client still reads what the kernel holds of the last response, so that it is not idle. Without progress only for
    /// as long as `--write-timeout`.
    pub(in crate::worker) fn still_reads(&self, s: &mut ConnectionState, now: u64) -> bool {
        s.notice_reading(now);
        let limit = millis(self.net.settings.client.write);
        s.clock.untaken > 0 && now.saturating_sub(s.clock.inactive_since()) < limit
    }

    /// The app has started a response and has no body yet (server-sent events): sends the head.
    fn send_head(self: &Arc<Self>, s: &mut ConnectionState) {
        // One tick of grace: most apps send their body at once, and an error before it can still become a 500.
        if !std::mem::replace(&mut s.stream.head_waited, true) {
            return;
        }
        if let Ok(transmit) = s.http.body(b"", BodyEnd::More) {
            let pieces = [transmit.head, transmit.data, transmit.tail];
            ConnectionOutput::of(&mut s.transport, &mut s.out, &mut s.write_closed).write(pieces);
        }
    }

    /// The client does not read: no error can be sent to it.
    pub(in crate::worker) fn abandon(self: &Arc<Self>, s: &mut ConnectionState) {
        let reason = "client does not read its response";
        if self.net.log_throttle.admits(reason, self.net.now()) {
            let (peer, unsent) = (self.shown_peer(), s.out.len());
            tracing::info!(peer, reason, unsent, "connection timed out");
        }
        s.write_closed = true;
        s.stream.left = true;
        self.notify_reader(s);
        self.flush(s);
        s.transport.reset_on_close();
        if s.mode != ConnectionMode::Exchange {
            self.shut(s);
        }
    }
}
