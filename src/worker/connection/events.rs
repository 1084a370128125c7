//! What happens to a connection: on its socket, in time, in the worker. Each of these takes the lock.

use std::sync::Arc;

use super::conn::Conn;
use super::state::{CloseKind, ConnectionMode};
use super::{deadlines, ending, handed, output, steps, timeouts};
use crate::sys::epoll::{Epoll, Readiness};
use crate::worker::drain::DrainStage;
use crate::worker::http2::{ClientSide, StreamConnection};
use crate::worker::timers::Tick;
use crate::worker::write_coalescer::{Holds, Until};
use crate::worker::{http2, websocket};

/// Milliseconds that a closed connection waits for the client's FIN when its descriptor is needed: enough for the
/// bytes that are on the wire.
const SHORT_LINGER: u64 = 50;

impl Conn {
    /// Bytes that the worker before it has read. Called before `look`.
    pub fn begin_with(&self, received: &[u8]) {
        self.lock().http.receive(received);
    }

    /// Reads the first request, which has usually arrived already. True: it had, and has begun (or was refused).
    pub fn look(self: &Arc<Self>) -> bool {
        let s = &mut *self.lock();
        if self.net.drain.stage() != DrainStage::Serving {
            s.close_after_answer();
        }
        steps::advance(self, s);
        s.mode != ConnectionMode::Head
    }

    /// Registers its socket with the reactor, if it is still open.
    pub fn watch(self: &Arc<Self>, epoll: &Epoll) {
        let s = &mut *self.lock();
        if let Err(error) = s.transport.register(epoll, self.key.token()) {
            tracing::error!(%error, "connection cannot be watched");
            ending::shut(self, s);
        }
    }

    /// Handles readiness events of the socket.
    pub fn ready(self: &Arc<Self>, ready: Readiness) {
        let s = &mut *self.lock();
        s.transport.ready(ready);
        if ready.closed && !matches!(s.mode, ConnectionMode::Head | ConnectionMode::Closed) {
            // Nothing that we write can arrive any more; bytes received before are still read below.
            s.write_closed = true;
        }
        if ready.writable {
            output::flush(self, s);
        }
        steps::advance(self, s);
    }

    /// Applies every deadline that has passed at `now` (monotonic milliseconds).
    pub fn tick(self: &Arc<Self>, now: u64) {
        let s = &mut *self.lock();
        if Tick::after(now) <= s.scheduled {
            // The deadline was moved earlier, or is handled already.
            return;
        }
        s.scheduled = Tick::NEVER;
        timeouts::apply(self, s, now);
        deadlines::schedule(self, s);
    }

    /// Resumes it: it had more to do than its share of an earlier turn.
    pub fn go_on(self: &Arc<Self>) {
        let s = &mut *self.lock();
        s.share.resume();
        output::flush(self, s);
        steps::advance(self, s);
    }

    /// The worker drains: the next response is the last one.
    pub fn drain(self: &Arc<Self>) {
        for stream in self.streams() {
            stream.drain();
        }
        let s = &mut *self.lock();
        s.close_after_answer();
        http2::session::leave(self, s);
        steps::advance(self, s);
    }

    /// The worker exits: the app's next read returns EOF, as if its client had disconnected.
    pub fn end_handed_over(&self) {
        let s = self.lock();
        if s.mode == ConnectionMode::HandedOver {
            s.transport.end_reading();
        }
    }

    /// Since when it has been idle; `None`: something is in progress.
    pub fn idle_since(&self) -> Option<u64> {
        let s = self.lock();
        match s.mode {
            ConnectionMode::Head => {
                (s.http.is_idle() && !s.is_unsent()).then_some(s.clock.inactive_since())
            }
            ConnectionMode::Http2 => http2::deadlines::idle_since(self, &s),
            _ => None,
        }
    }

    /// Closes it if it is still idle.
    pub fn close_idle(self: &Arc<Self>) {
        if self.idle_since().is_some() {
            let s = &mut *self.lock();
            if s.mode == ConnectionMode::Http2 {
                http2::timeouts::close(self, s, h2::Reason::NO_ERROR);
                return;
            }
            ending::begin_close(self, s, CloseKind::Lingering);
            steps::advance(self, s);
        }
    }

    /// Descriptors have run out: shortens the wait for the client's FIN where nothing else is pending.
    pub fn hurry(self: &Arc<Self>, now: u64) {
        let s = &mut *self.lock();
        if s.mode == ConnectionMode::Linger
            && now.saturating_sub(s.clock.ending_since) >= SHORT_LINGER
        {
            ending::shut(self, s);
        }
    }

    /// Closes it now, whatever is in progress.
    pub fn close(self: &Arc<Self>) {
        for stream in self.streams() {
            stream.close();
        }
        let s = &mut *self.lock();
        if matches!(s.mode, ConnectionMode::Exchange) {
            ending::cut(self, s);
        }
        handed::close(self, s);
        websocket::closing::leave(self, s);
        if s.mode == ConnectionMode::Http2 {
            http2::timeouts::close(self, s, h2::Reason::NO_ERROR);
        }
        ending::shut(self, s);
    }
}

impl Holds for Conn {
    fn write_held(self: Arc<Self>) {
        let s = &mut *self.lock();
        if std::mem::take(&mut s.holds) {
            if s.mode == ConnectionMode::Http2 {
                steps::advance(&self, s);
                // Streams that go on now may have events for the app, and the reactor may be about to sleep.
                if self.streams.get().is_some_and(|streams| streams.is_noted()) {
                    self.net.wake.wake();
                }
            } else {
                output::flush(&self, s);
            }
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
        output::flush(self, s);
        steps::advance(self, s);
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
            steps::advance(self, s);
            return;
        };
        if !std::mem::replace(&mut s.holds, true) && held.add(self.clone(), until) {
            self.net.intake.picked.wake();
        }
    }
}
