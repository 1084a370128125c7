//! Moves bytes between a connection's socket and its HTTP/2 session.

use h2::Reason;

use super::{Streams, session};
use crate::http2::{Arrived, SessionStep};
use crate::worker::connection::{
    CloseKind, Conn, ConnectionOutput, ConnectionState, HIGH_WATER, ending, tls,
};
use crate::worker::transport::{ReadResult, StreamWire, Transport};

/// Bytes of one read.
const READ: usize = 16 * 1024;
/// Unsent bytes with which nothing more is read: up to this, answers without which h2 does not read on are written above the high-water mark.
const MOST_OUTPUT: usize = 4 * HIGH_WATER;
/// Additional steps of the turn that a read costs, beside those for its frames.
const READ_STEPS: u16 = 3;

/// Moves bytes between the socket and the session. False: the next step needs the socket or a stream.
pub(in crate::worker) fn step(conn: &Conn, s: &mut ConnectionState) -> bool {
    if s.write_closed {
        end_session(conn, s, CloseKind::Plain);
        return true;
    }
    let Some(streams) = conn.streams.get() else {
        return false;
    };
    let flow = streams.flow();
    if flow.take_question() {
        flow.note_taken(s.out.len() + s.transport.untaken().unwrap_or_default());
    }
    flow.set_blocked(s.is_unsent());
    // Frames are read also while the client does not read its own: what it grants and sends may be what lets it (RFC 9113 §5.2.2).
    let came = read(conn, s);
    let is_blocked = s.out.len() >= HIGH_WATER;
    let Some(session) = &mut s.http2 else {
        return false;
    };
    if !came && (is_blocked || !(streams.take_wake() || session.is_full())) {
        return false;
    }
    if came {
        streams.take_wake();
    }
    let room = HIGH_WATER.saturating_sub(s.out.len());
    session.set_room(room, MOST_OUTPUT.saturating_sub(s.out.len() + room));
    let end = loop {
        match session.next() {
            SessionStep::Request(arrived) => {
                s.clock.fresh = false;
                s.clock.released = false;
                open_stream(conn, streams, arrived);
            }
            // What was sent on streams is written: there is nothing more that the client could get.
            SessionStep::Idle if s.read_ended && streams.len() == 0 && session.end_input() => {}
            SessionStep::Idle => break None,
            SessionStep::Over(reason) => break Some(reason),
        }
    };
    let output = session.take_output();
    if !output.is_empty() {
        s.written_in = conn.net.write_coalescer.step();
        flow.sends(output.len());
        let mut socket = ConnectionOutput::of(&mut s.transport, &mut s.out, &mut s.write_closed);
        if !socket.write([&output, b"", b""]) {
            s.clock.write_progress = conn.net.now();
            flow.set_blocked(true);
        }
    }
    if let Some(reason) = end {
        report(conn, reason);
        end_session(conn, s, CloseKind::Lingering);
    }
    true
}

/// True: bytes have arrived, or their end.
fn read(conn: &Conn, s: &mut ConnectionState) -> bool {
    let Some(session) = &mut s.http2 else {
        return false;
    };
    if !s.transport.is_readable() || s.read_ended || !session.takes_input() {
        return false;
    }
    session.input.reserve(READ);
    match s.transport.read(&mut session.input) {
        ReadResult::Bytes(count) => {
            conn.net.page.received(count as u64);
            s.share.spend(READ_STEPS);
            session::admit(conn, s);
            true
        }
        ReadResult::Nothing => false,
        ReadResult::End | ReadResult::Complete | ReadResult::Refused(_) => {
            s.read_ended = true;
            // Its requests are answered, if they are whole.
            if let Some(streams) = conn.streams.get() {
                streams.end_input();
            }
            true
        }
        ReadResult::Failed => {
            s.write_closed = true;
            s.read_ended = true;
            tls::report_failure(conn, s);
            true
        }
    }
}

fn open_stream(conn: &Conn, streams: &Streams<Conn>, arrived: Arrived) {
    let Arrived {
        number,
        head,
        content,
        body,
        mut answer,
        resets,
        is_head,
    } = arrived;
    // A client may reset streams, and open others, faster than the app notices.
    if streams.len() >= conn.net.settings.http2.concurrent_streams as usize * 2 {
        answer.send_reset(Reason::REFUSED_STREAM);
        return;
    }
    conn.net.page.http2_requested();
    let (waker, flow) = (streams.waker_of(number), streams.flow().clone());
    let wire = StreamWire::new(body, answer, resets, is_head, waker, flow);
    let stream = conn.stream(number, Transport::stream(wire), content, head);
    streams.add(number, stream);
}

/// No more streams; open ones are lost, if there are any.
fn end_session(conn: &Conn, s: &mut ConnectionState, close_kind: CloseKind) {
    s.http2 = None;
    if let Some(streams) = conn.streams.get() {
        streams.lose_all();
    }
    ending::begin_close(conn, s, close_kind);
}

fn report(conn: &Conn, reason: Option<Reason>) {
    let Some(reason) = reason else {
        return;
    };
    if reason == Reason::ENHANCE_YOUR_CALM {
        conn.net.page.http2_calmed();
    }
    let (peer, reason) = (conn.shown_peer(), name(reason));
    if conn.net.log_throttle.admits(reason, conn.net.now()) {
        tracing::info!(peer, reason, "HTTP/2 connection failed");
    } else {
        tracing::debug!(peer, reason, "HTTP/2 connection failed");
    }
}

/// The name in RFC 9113 §7; constant, so that equal ones can be counted.
fn name(reason: Reason) -> &'static str {
    match reason {
        Reason::PROTOCOL_ERROR => "PROTOCOL_ERROR",
        Reason::FLOW_CONTROL_ERROR => "FLOW_CONTROL_ERROR",
        Reason::FRAME_SIZE_ERROR => "FRAME_SIZE_ERROR",
        Reason::STREAM_CLOSED => "STREAM_CLOSED",
        Reason::COMPRESSION_ERROR => "COMPRESSION_ERROR",
        Reason::ENHANCE_YOUR_CALM => "ENHANCE_YOUR_CALM",
        _ => "another error",
    }
}
