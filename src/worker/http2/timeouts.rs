//! HTTP/2 connections on which nothing happens are closed. Streams have their own timeouts.

use std::sync::Arc;

use h2::Reason;

use super::deadlines::{self, RELEASE};
use crate::worker::connection::{Conn, ConnectionState, ending, steps};
use crate::worker::drain::DrainStage;
use crate::worker::network::millis;

/// Applies every deadline that has passed at `now` (monotonic milliseconds).
pub(in crate::worker) fn apply(conn: &Arc<Conn>, s: &mut ConnectionState, now: u64) {
    let limits = &conn.net.settings.client;
    if s.is_unsent() {
        if now.saturating_sub(s.clock.write_progress) >= millis(limits.write) {
            ending::abandon(conn, s);
        }
        return;
    }
    if let Some(since) = s.clock.head_since
        && now.saturating_sub(since) >= millis(limits.head)
    {
        close(conn, s, Reason::PROTOCOL_ERROR);
        return;
    }
    let Some(since) = deadlines::idle_since(conn, s) else {
        return;
    };
    s.notice_reading(now);
    let idle = now.saturating_sub(since.max(s.clock.write_progress));
    if idle >= RELEASE && !s.clock.released {
        s.clock.released = true;
        if let Some(session) = &mut s.http2 {
            session.release_buffers();
        }
    }
    let drained =
        conn.net.drain.stage() != DrainStage::Serving && now >= conn.net.drain.idle_until();
    let is_over =
        idle >= deadlines::idle_limit(conn, s) && !s.still_reads(now, millis(limits.write));
    if is_over && s.clock.untaken > 0 {
        ending::abandon(conn, s);
    } else if drained || is_over {
        close(conn, s, Reason::NO_ERROR);
    }
}

/// Sends GOAWAY and closes. If no stream is open nothing is lost: a request that the client sends at this moment
/// can safely be retried, since it was not accepted.
pub(in crate::worker) fn close(conn: &Arc<Conn>, s: &mut ConnectionState, reason: Reason) {
    if let (Some(session), Some(streams)) = (&mut s.http2, conn.streams.get()) {
        session.abandon(reason);
        streams.waker().wake();
    }
    steps::advance(conn, s);
}
