//! The steps of a connection: from one to the next, as long as socket, app and time allow.

use std::sync::Arc;

use super::body::BodyState;
use super::conn::Conn;
use super::state::{CloseKind, ConnectionMode, ConnectionState, HIGH_WATER, Opening};
use super::{
    app_waits, deadlines, ending, handed, new_request, output, proxy_header, reading, refusals,
};
use crate::http::{HttpEvent, Refusal};
use crate::worker::transport::ReadResult;
use crate::worker::{http2, websocket};

/// Continues until the next step needs the socket, the app or time, or until the connection has used its share of
/// the turn; the reactor then resumes it in the next one.
pub(in crate::worker) fn advance(conn: &Arc<Conn>, s: &mut ConnectionState) {
    take_steps(conn, s);
    deadlines::schedule(conn, s);
}

/// The app's response is complete (or can never be): decides whether the connection continues, and goes on with it.
pub(in crate::worker) fn response_ended(conn: &Arc<Conn>, s: &mut ConnectionState) {
    if s.mode == ConnectionMode::Exchange {
        ending::conclude(conn, s);
        advance(conn, s);
    }
}

fn take_steps(conn: &Arc<Conn>, s: &mut ConnectionState) {
    let turn = conn.net.clock.turns();
    loop {
        if !s.share.take(turn, || conn.net.turn_budget.is_used_up()) {
            conn.wait_for_a_turn(s);
            return;
        }
        let progress = match s.mode {
            ConnectionMode::Head => head(conn, s),
            ConnectionMode::Exchange => exchange(conn, s),
            ConnectionMode::WebSocket => websocket::traffic::step(conn, s),
            ConnectionMode::Http2 => http2::drive::step(conn, s),
            ConnectionMode::Discard(left) => discard(conn, s, left),
            ConnectionMode::Closing(close_kind) => closing(conn, s, close_kind),
            ConnectionMode::Linger => linger(conn, s),
            ConnectionMode::GivenBack if s.write_closed => {
                handed::close(conn, s);
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

fn head(conn: &Arc<Conn>, s: &mut ConnectionState) -> bool {
    if s.write_closed {
        ending::shut(conn, s);
        return false;
    }
    if s.out.len() > HIGH_WATER || s.pending.is_some() {
        // A client that pipelines and does not read gets no further responses that would stay unread.
        return false;
    }
    match s.opening {
        Opening::Over => {}
        Opening::ProxyHeader => return proxy_header::read(conn, s),
        Opening::Preface => return http2::opening::preface(conn, s),
    }
    match s.http.poll_event() {
        HttpEvent::Request(head) => {
            new_request::begin(conn, s, head);
            true
        }
        HttpEvent::NeedInput => reading::read_head(conn, s),
        HttpEvent::Refused(refusal) => {
            refusals::answer(conn, s, refusal);
            true
        }
        HttpEvent::Closed => {
            ending::begin_close(conn, s, CloseKind::Plain);
            true
        }
        // A head comes before a body.
        HttpEvent::Body(_) | HttpEvent::EndOfBody | HttpEvent::Paused => false,
    }
}

/// Reads the body as far as the app keeps up, and watches for a client that disconnects.
fn exchange(conn: &Arc<Conn>, s: &mut ConnectionState) -> bool {
    if s.stream.body.state == BodyState::Open && s.stream.body.buffered() < HIGH_WATER {
        match s.http.poll_event() {
            HttpEvent::Body(piece) => {
                s.stream.pace.came(piece.len());
                s.stream.body.push(piece);
                s.stream.body_progress = conn.net.now();
                app_waits::notify_reader(conn, s);
                return true;
            }
            HttpEvent::EndOfBody => {
                s.stream.body.state = BodyState::Complete;
                app_waits::notify_reader(conn, s);
                return true;
            }
            HttpEvent::Refused(refusal) => {
                refusals::fail_body(conn, s, refusal);
                return true;
            }
            HttpEvent::NeedInput => {}
            HttpEvent::Closed | HttpEvent::Paused | HttpEvent::Request(_) => {
                refusals::fail_body(conn, s, Refusal::TruncatedBody);
                return true;
            }
        }
    } else if s.http.buffered() > HIGH_WATER || s.stream.body.state == BodyState::Open {
        return notice_end(conn, s);
    }
    reading::read(conn, s) || notice_end(conn, s)
}

/// The client has certainly disconnected: an app that waits or writes must be notified.
fn notice_end(conn: &Conn, s: &mut ConnectionState) -> bool {
    if s.write_closed && !s.stream.left {
        s.stream.left = true;
        app_waits::notify_reader(conn, s);
        output::flush(conn, s);
    }
    false
}

fn discard(conn: &Arc<Conn>, s: &mut ConnectionState, left: usize) -> bool {
    match s.http.poll_event() {
        HttpEvent::Body(piece) if piece.len() <= left => {
            s.mode = ConnectionMode::Discard(left - piece.len())
        }
        HttpEvent::EndOfBody => {
            s.mode = ConnectionMode::Head;
            s.clock.idle_since = conn.net.now();
        }
        HttpEvent::NeedInput => return reading::read(conn, s),
        HttpEvent::Body(_)
        | HttpEvent::Refused(_)
        | HttpEvent::Closed
        | HttpEvent::Paused
        | HttpEvent::Request(_) => {
            ending::begin_close(conn, s, CloseKind::Lingering);
        }
    }
    true
}

fn closing(conn: &Conn, s: &mut ConnectionState, close_kind: CloseKind) -> bool {
    if s.is_unsent() && !s.write_closed {
        return false;
    }
    let shut = close_kind == CloseKind::Plain || s.read_ended || s.write_closed;
    if !shut && s.transport.half_close().is_ok() {
        s.mode = ConnectionMode::Linger;
        s.clock.ending_since = conn.net.now();
        return true;
    }
    ending::shut(conn, s);
    false
}

fn linger(conn: &Conn, s: &mut ConnectionState) -> bool {
    if !s.transport.is_readable() {
        return false;
    }
    match s.transport.discard() {
        ReadResult::Bytes(_) => true,
        ReadResult::Nothing => false,
        ReadResult::End | ReadResult::Complete | ReadResult::Refused(_) | ReadResult::Failed => {
            ending::shut(conn, s);
            false
        }
    }
}
