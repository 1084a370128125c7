//! Moves bytes between a connection's socket and its HTTP/2 session.

use std::sync::Arc;

use h2::Reason;

use super::{ClientSide, StreamConnection, Streams, limits};
use crate::http2::{Arrived, Session, SessionStep};
use crate::worker::connection::{
    CloseKind, Conn, ConnectionMode, ConnectionOutput, ConnectionState, HIGH_WATER,
};
use crate::worker::drain::DrainStage;
use crate::worker::transport::{ReadResult, StreamWire, Transport};
use crate::worker::write_coalescer::Until;

/// Bytes of one read.
const READ: usize = 16 * 1024;
/// Unsent bytes with which nothing more is read: up to this, answers without which h2 does not read on are written above the high-water mark.
const MOST_OUTPUT: usize = 4 * HIGH_WATER;
/// Additional steps of the turn that a read costs, and how many frames of it cost a further one. What remains of them in a stream is gathered
/// after the turn: all of them have to fit into h2's budget.
const READ_STEPS: u16 = 3;
const FRAMES_PER_STEP: usize = 64;

impl Conn {
    /// From here on the connection uses HTTP/2; bytes that were read already are its first.
    pub(in crate::worker) fn start_http2(self: &Arc<Self>, s: &mut ConnectionState) {
        let limits = limits(&self.net);
        let streams = Streams::new(self, &limits, self.net.now());
        let mut session = Session::new(&limits, streams.waker(), self.net.now());
        session.input.extend_from_slice(&s.http.input().split());
        s.http.release_buffers();
        s.http2 = Some(Box::new(session));
        s.mode = ConnectionMode::Http2;
        s.clock.head_since = None;
        self.admit_http2(s);
        self.note_tls(s);
        self.net.page.http2_connected();
        // Set once: a connection does not change its protocol again.
        self.streams.get_or_init(|| streams.clone());
        // Our settings are sent without a request.
        streams.waker().wake();
        if self.net.drain.stage() != DrainStage::Serving {
            self.leave_http2(s);
        }
    }

    /// Moves bytes between the socket and the session. False: the next step needs the socket or a stream.
    pub(in crate::worker) fn http2(self: &Arc<Self>, s: &mut ConnectionState) -> bool {
        if s.write_closed {
            self.end_http2(s, CloseKind::Plain);
            return true;
        }
        let Some(streams) = self.streams.get() else {
            return false;
        };
        let flow = streams.flow();
        if flow.take_question() {
            flow.note_taken(s.out.len() + s.transport.untaken().unwrap_or_default());
        }
        flow.set_blocked(s.is_unsent());
        // Frames are read also while the client does not read its own: what it grants and sends may be what lets it (RFC 9113 §5.2.2).
        let came = self.read_http2(s);
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
                    self.open_stream(streams, arrived);
                }
                // What was sent on streams is written: there is nothing more that the client could get.
                SessionStep::Idle if s.read_ended && streams.len() == 0 && session.end_input() => {}
                SessionStep::Idle => break None,
                SessionStep::Over(reason) => break Some(reason),
            }
        };
        let output = session.take_output();
        if !output.is_empty() {
            s.written_in = self.net.write_coalescer.step();
            flow.sends(output.len());
            let mut socket =
                ConnectionOutput::of(&mut s.transport, &mut s.out, &mut s.write_closed);
            if !socket.write([&output, b"", b""]) {
                s.clock.write_progress = self.net.now();
                flow.set_blocked(true);
            }
        }
        if let Some(reason) = end {
            self.report_http2(reason);
            self.end_http2(s, CloseKind::Lingering);
        }
        true
    }

    /// True: bytes have arrived, or their end.
    fn read_http2(self: &Arc<Self>, s: &mut ConnectionState) -> bool {
        let Some(session) = &mut s.http2 else {
            return false;
        };
        if !s.transport.is_readable() || s.read_ended || !session.takes_input() {
            return false;
        }
        session.input.reserve(READ);
        match s.transport.read(&mut session.input) {
            ReadResult::Bytes(count) => {
                self.net.page.received(count as u64);
                s.share.spend(READ_STEPS);
                self.admit_http2(s);
                true
            }
            ReadResult::Nothing => false,
            ReadResult::End | ReadResult::Complete | ReadResult::Refused(_) => {
                s.read_ended = true;
                // Its requests are answered, if they are whole.
                if let Some(streams) = self.streams.get() {
                    streams.end_input();
                }
                true
            }
            ReadResult::Failed => {
                s.write_closed = true;
                s.read_ended = true;
                self.report_tls_failure(s);
                true
            }
        }
    }

    /// Counts the frames that have arrived, and applies the timeout of an incomplete head.
    fn admit_http2(&self, s: &mut ConnectionState) {
        let now = self.net.now();
        if let Some(session) = &mut s.http2 {
            let admitted = session.admit(now);
            let steps = (admitted.frames / FRAMES_PER_STEP).try_into();
            s.share.spend(steps.unwrap_or(u16::MAX));
            let since = s.clock.head_since.unwrap_or(now);
            s.clock.head_since = session.is_within_head().then_some(since);
            if let Some(streams) = self.streams.get() {
                admitted
                    .resets
                    .into_iter()
                    .for_each(|number| streams.lose(number));
            }
        }
    }

    fn open_stream(self: &Arc<Self>, streams: &Streams<Self>, arrived: Arrived) {
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
        if streams.len() >= self.net.settings.http2.concurrent_streams as usize * 2 {
            answer.send_reset(Reason::REFUSED_STREAM);
            return;
        }
        self.net.page.http2_requested();
        let (waker, flow) = (streams.waker_of(number), streams.flow().clone());
        let wire = StreamWire::new(body, answer, resets, is_head, waker, flow);
        let stream = self.stream(number, Transport::stream(wire), content, head);
        streams.add(number, stream);
    }

    /// No more streams; open ones are lost, if there are any.
    fn end_http2(self: &Arc<Self>, s: &mut ConnectionState, close_kind: CloseKind) {
        s.http2 = None;
        if let Some(streams) = self.streams.get() {
            streams.lose_all();
        }
        self.begin_close(s, close_kind);
    }

    fn report_http2(&self, reason: Option<Reason>) {
        let Some(reason) = reason else {
            return;
        };
        if reason == Reason::ENHANCE_YOUR_CALM {
            self.net.page.http2_calmed();
        }
        let (peer, reason) = (self.shown_peer(), name(reason));
        if self.net.log_throttle.admits(reason, self.net.now()) {
            tracing::info!(peer, reason, "HTTP/2 connection failed");
        } else {
            tracing::debug!(peer, reason, "HTTP/2 connection failed");
        }
    }

    /// The worker drains: streams that have begun finish, and the client is notified to open no others here.
    pub(in crate::worker) fn leave_http2(&self, s: &mut ConnectionState) {
        if let (Some(session), Some(streams)) = (&mut s.http2, self.streams.get()) {
            session.leave();
            streams.waker().wake();
        }
    }
}

impl StreamConnection for Conn {
    // Also when it has just begun.
    fn stream_ready(self: &Arc<Self>, client: ClientSide) {
        let s = &mut *self.lock();
        if client == ClientSide::Receives {
            s.transport.end_input();
            s.clock.fin_at.get_or_insert(self.net.now());
        }
        if (client == ClientSide::Gone) | s.transport.is_reset() {
            // The app was not notified of the request, so it is not called.
            s.write_closed = true;
        }
        s.transport.wake();
        self.flush(s);
        self.advance(s);
        s.transport.gather();
    }

    /// The output of several streams in one turn is sent together, at the latest with that of the last one; the output of a single
    /// stream in one step of the app too, except the first piece.
    fn go_on_with_session(self: &Arc<Self>, open: usize) {
        let s = &mut *self.lock();
        let held = &self.net.write_coalescer;
        let until = match open {
            0 => None,
            1 if s.written_in == held.step() => Some(Until::StepEnds),
            1 => s.holds.then_some(Until::TurnEnds),
            _ => Some(Until::TurnEnds),
        };
        let until =
            until.filter(|_| s.mode == ConnectionMode::Http2 && self.net.app().works_in_steps());
        let Some(until) = until else {
            self.advance(s);
            return;
        };
        if !std::mem::replace(&mut s.holds, true) && held.add(self.clone(), until) {
            self.net.intake.picked.wake();
        }
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
