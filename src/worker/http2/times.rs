//! When an HTTP/2 connection is closed because nothing happens on it. Streams have their own deadlines.

use std::sync::Arc;

use h2::Reason;

use crate::worker::connection::{Conn, ConnectionState};
use crate::worker::drain::DrainStage;
use crate::worker::network::millis;

/// How long an idle connection keeps its buffers.
const RELEASE: u64 = 1_000;

impl Conn {
    /// Since when no stream is open and nothing is unsent.
    pub(in crate::worker) fn http2_idle_since(&self, s: &ConnectionState) -> Option<u64> {
        let streams = self.streams.get()?;
        let since = streams.idle_since().filter(|_| !s.is_unsent())?;
        Some(since.max(s.clock.write_progress))
    }

    /// When it is to be checked again, in monotonic milliseconds; 0: at the next tick.
    pub(in crate::worker) fn next_http2_timeout(&self, s: &ConnectionState) -> u64 {
        if s.is_unsent() || self.net.drain.stage() != DrainStage::Serving {
            return 0;
        }
        if let Some(since) = s.clock.head_since {
            return since + millis(self.net.settings.client.head);
        }
        match self.http2_idle_since(s) {
            None => u64::MAX,
            Some(_) if s.clock.released && s.clock.untaken > 0 => self.net.now() + RELEASE,
            Some(since) if s.clock.released => since + self.http2_idle_limit(s),
            Some(since) => since + RELEASE,
        }
    }

    /// Applies every deadline that has passed at `now` (monotonic milliseconds).
    pub(in crate::worker) fn http2_tick(self: &Arc<Self>, s: &mut ConnectionState, now: u64) {
        let limits = &self.net.settings.client;
        if s.is_unsent() {
            if now.saturating_sub(s.clock.write_progress) >= millis(limits.write) {
                self.abandon(s);
            }
            return;
        }
        if let Some(since) = s.clock.head_since
            && now.saturating_sub(since) >= millis(limits.head)
        {
            self.close_http2(s, Reason::PROTOCOL_ERROR);
            return;
        }
        let Some(since) = self.http2_idle_since(s) else {
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
            self.net.drain.stage() != DrainStage::Serving && now >= self.net.drain.idle_until();
        let is_over = idle >= self.http2_idle_limit(s) && !self.still_reads(s, now);
        if is_over && s.clock.untaken > 0 {
            self.abandon(s);
        } else if drained || is_over {
            self.close_http2(s, Reason::NO_ERROR);
        }
    }

    /// In milliseconds.
    fn http2_idle_limit(&self, s: &ConnectionState) -> u64 {
        let limits = &self.net.settings.client;
        millis(if s.clock.fresh {
            limits.first_byte
        } else {
            limits.keep_alive
        })
    }

    /// Sends GOAWAY and closes. If no stream is open nothing is lost: a request that the client sends at this moment
    /// can safely be retried, since it was not accepted.
    pub(in crate::worker) fn close_http2(
        self: &Arc<Self>,
        s: &mut ConnectionState,
        reason: Reason,
    ) {
        if let (Some(session), Some(streams)) = (&mut s.http2, self.streams.get()) {
            session.abandon(reason);
            streams.waker().wake();
        }
        self.advance(s);
    }
}
