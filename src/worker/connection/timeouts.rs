//! Timeouts of clients. A connection is checked when its next deadline has passed, with a precision of 250 ms.

use std::sync::Arc;
use std::time::Duration;

use super::body::BodyState;
use super::conn::Conn;
use super::deadlines::{LINGER, RELEASE};
use super::output::ConnectionOutput;
use super::state::{CloseKind, ConnectionMode, ConnectionState, Opening};
use super::{app_waits, ending, handed, proxy_header, refusals, steps, tls};
use crate::http::{BodyEnd, Refusal, ResponseState};
use crate::worker::drain::DrainStage;
use crate::worker::network::millis;
use crate::worker::{http2, websocket};

/// Time after a FIN after which a client that might only have closed its side counts as disconnected.
const HALF_CLOSE_GRACE: u64 = 250;
/// How long the rest of an unread body may take, once the client has read the response.
const DISCARD: u64 = 5_000;

/// Applies every deadline that has passed at `now` (monotonic milliseconds).
pub(super) fn apply(conn: &Arc<Conn>, s: &mut ConnectionState, now: u64) {
    let limits = &conn.net.settings.client;
    let over = |since: u64, limit: Duration| now.saturating_sub(since) >= millis(limit);
    if s.is_unsent() {
        s.notice_reading(now);
    }
    match s.mode {
        ConnectionMode::Head => apply_to_head(conn, s, now),
        ConnectionMode::WebSocket => websocket::timeouts::apply(conn, s, now),
        ConnectionMode::Http2 => http2::timeouts::apply(conn, s, now),
        ConnectionMode::HandedOver | ConnectionMode::GivenBack => {
            handed::apply_timeouts(conn, s, now)
        }
        ConnectionMode::Exchange => {
            if let Some(fin) = s.clock.fin_at
                && !s.stream.left
                && now.saturating_sub(fin) >= HALF_CLOSE_GRACE
            {
                s.stream.left = true;
                app_waits::notify_reader(conn, s);
            }
            if s.http.response_state() == ResponseState::HeadPending
                && conn.net.app().flushes_head_early()
            {
                send_head(s);
            }
            if s.transport.withholds_credit() {
                s.stream.body_progress = now;
                s.stream.pace.excuse(now);
            }
            if s.is_unsent() && over(s.clock.write_progress, limits.write) {
                ending::abandon(conn, s);
            } else if is_expired(conn, s) && conn.net.app().cancel(conn.request_key(s)) {
                answer_for_the_app(conn, s);
            } else if s.stream.body.state == BodyState::Open
                && s.stream.waits.receive
                && (over(s.stream.body_progress, limits.body)
                    || s.stream
                        .pace
                        .is_slower_than(limits.body_rate, 4 * millis(limits.body), now))
            {
                refusals::fail_body(conn, s, Refusal::BodyTimeout);
                steps::advance(conn, s);
            }
        }
        ConnectionMode::Discard(_) => {
            if is_end_over(conn, s, DISCARD, now) {
                ending::begin_close(conn, s, CloseKind::Lingering);
                steps::advance(conn, s);
            }
        }
        ConnectionMode::Linger => {
            if is_end_over(conn, s, LINGER, now) {
                ending::shut(conn, s);
            }
        }
        ConnectionMode::Closing(_)
            if over(
                s.clock.ending_since.max(s.clock.write_progress),
                limits.write,
            ) =>
        {
            ending::abandon(conn, s)
        }
        ConnectionMode::Closing(_) | ConnectionMode::Closed => {}
    }
}

fn apply_to_head(conn: &Arc<Conn>, s: &mut ConnectionState, now: u64) {
    let limits = &conn.net.settings.client;
    let over = |since: u64, limit: Duration| now.saturating_sub(since) >= millis(limit);
    if let Some(since) = s.clock.head_since {
        if over(since, limits.head) && s.opening == Opening::ProxyHeader {
            proxy_header::refuse(conn, s, "PROXY header took too long");
            steps::advance(conn, s);
        } else if over(since, limits.head) {
            refusals::answer(conn, s, Refusal::HeadTimeout);
            steps::advance(conn, s);
        }
        return;
    }
    if s.is_unsent() {
        if over(s.clock.inactive_since(), limits.write) {
            ending::abandon(conn, s);
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
        conn.net.drain.stage() != DrainStage::Serving && now >= conn.net.drain.idle_until();
    let is_over =
        over(s.clock.inactive_since(), limit) && !s.still_reads(now, millis(limits.write));
    if is_over && s.clock.untaken > 0 {
        ending::abandon(conn, s);
    } else if is_over || draining {
        tls::report_slow_handshake(conn, s);
        // With a linger: a request may be on the wire at this moment.
        ending::begin_close(conn, s, CloseKind::Lingering);
        steps::advance(conn, s);
    }
}

/// Whether a connection whose response is complete has waited long enough: `limit` in milliseconds from when the client has read
/// everything, and until then for as long as it reads. What the kernel still holds would be lost if the client sent anything more to a
/// closed connection.
fn is_end_over(conn: &Conn, s: &mut ConnectionState, limit: u64, now: u64) -> bool {
    s.notice_reading(now);
    // The reset of a stream is sent behind its response, and harms nothing of it.
    let is_taken = s.clock.untaken == 0 || conn.key.stream().is_some();
    let is_read = !s.is_unsent() && is_taken;
    let limit = if is_read {
        limit
    } else {
        millis(conn.net.settings.client.write)
    };
    now.saturating_sub(s.clock.ended_since()) >= limit
}

/// Past `--request-timeout`, with the response incomplete.
fn is_expired(conn: &Conn, s: &ConnectionState) -> bool {
    let Some(limit) = conn.net.settings.request_timeout else {
        return false;
    };
    let is_old = (s.stream.entry.as_ref()).is_some_and(|entry| entry.age() >= limit);
    is_old && s.http.response_state() != ResponseState::Complete
}

/// 504 where nothing was sent, else closes the connection; the app is notified separately.
fn answer_for_the_app(conn: &Arc<Conn>, s: &mut ConnectionState) {
    match s.http.response_state() {
        ResponseState::NotStarted | ResponseState::HeadPending => {
            // A head without a body so far was not sent.
            drop(s.http.reset_response());
            refusals::answer(conn, s, Refusal::AppTimeout);
        }
        ResponseState::Streaming | ResponseState::Aborted | ResponseState::Complete => {
            ending::cut(conn, s);
        }
    }
    steps::advance(conn, s);
}

/// The app has started a response and has no body yet (server-sent events): sends the head.
fn send_head(s: &mut ConnectionState) {
    // One tick of grace: most apps send their body at once, and an error before it can still become a 500.
    if !std::mem::replace(&mut s.stream.head_waited, true) {
        return;
    }
    if let Ok(transmit) = s.http.body(b"", BodyEnd::More) {
        let pieces = [transmit.head, transmit.data, transmit.tail];
        ConnectionOutput::of(&mut s.transport, &mut s.out, &mut s.write_closed).write(pieces);
    }
}
