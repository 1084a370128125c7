//! When a connection is to be checked again.

use super::conn::Conn;
use super::handed::LAST_BYTES;
use super::state::{ConnectionMode, ConnectionState};
use crate::worker::drain::DrainStage;
use crate::worker::network::millis;
use crate::worker::timers::Tick;
use crate::worker::{http2, websocket};

/// How long an idle connection keeps its buffers.
pub(super) const RELEASE: u64 = 1_000;
/// How long a closed connection waits for the client's FIN, once the client has read the response.
pub(super) const LINGER: u64 = 2_000;
/// In milliseconds: a deadline this late means none.
const FOR_EVER: u64 = u64::MAX / 4;

/// Registers the next deadline with the timers.
pub(in crate::worker) fn schedule(conn: &Conn, s: &mut ConnectionState) {
    // A limit that is off yields a deadline beyond the timer table.
    let Some(at) = next(conn, s).filter(|at| *at < FOR_EVER) else {
        return;
    };
    let tick = Tick::at(at).max(Tick::after(conn.net.now()));
    if tick < s.scheduled {
        s.scheduled = tick;
        conn.net.agenda.timers.lock().add(tick, conn.key);
    }
}

/// When it is to be checked again, in monotonic milliseconds; 0: at the next tick. What happens until then may
/// only make it earlier, and ends in `steps::advance`, which calls this again.
fn next(conn: &Conn, s: &ConnectionState) -> Option<u64> {
    let limits = &conn.net.settings.client;
    let drains = conn.net.drain.stage() != DrainStage::Serving;
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
            None if s.clock.untaken > 0 => conn.net.now() + RELEASE,
            None => s.clock.inactive_since() + millis(limits.keep_alive),
        }),
        ConnectionMode::WebSocket if !drains => Some(websocket::deadlines::next(conn, s)),
        ConnectionMode::Http2 => Some(http2::deadlines::next(conn, s)),
        ConnectionMode::Linger => Some(s.clock.ended_since() + LINGER),
        // Something is in progress, whose deadlines move with each byte.
        ConnectionMode::Head
        | ConnectionMode::WebSocket
        | ConnectionMode::Exchange
        | ConnectionMode::Discard(_)
        | ConnectionMode::Closing(_) => Some(0),
    }
}
