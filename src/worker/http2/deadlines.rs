//! When an idle HTTP/2 connection is to be checked again. Streams have their own deadlines.

use crate::worker::connection::{Conn, ConnectionState};
use crate::worker::drain::DrainStage;
use crate::worker::network::millis;

/// How long an idle connection keeps its buffers.
pub(super) const RELEASE: u64 = 1_000;

/// When it is to be checked again, in monotonic milliseconds; 0: at the next tick.
pub(in crate::worker) fn next(conn: &Conn, s: &ConnectionState) -> u64 {
    if s.is_unsent() || conn.net.drain.stage() != DrainStage::Serving {
        return 0;
    }
    if let Some(since) = s.clock.head_since {
        return since + millis(conn.net.settings.client.head);
    }
    match idle_since(conn, s) {
        None => u64::MAX,
        Some(_) if s.clock.released && s.clock.untaken > 0 => conn.net.now() + RELEASE,
        Some(since) if s.clock.released => since + idle_limit(conn, s),
        Some(since) => since + RELEASE,
    }
}

/// Since when no stream is open and nothing is unsent.
pub(in crate::worker) fn idle_since(conn: &Conn, s: &ConnectionState) -> Option<u64> {
    let streams = conn.streams.get()?;
    let since = streams.idle_since().filter(|_| !s.is_unsent())?;
    Some(since.max(s.clock.write_progress))
}

/// How long it may be idle, in milliseconds.
pub(super) fn idle_limit(conn: &Conn, s: &ConnectionState) -> u64 {
    let limits = &conn.net.settings.client;
    millis(if s.clock.fresh {
        limits.first_byte
    } else {
        limits.keep_alive
    })
}
