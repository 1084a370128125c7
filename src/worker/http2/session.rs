//! The HTTP/2 session of a connection: from its start to the notice that no streams are to be opened any more.

use std::sync::Arc;

use super::{Streams, limits};
use crate::http2::Session;
use crate::worker::connection::{Conn, ConnectionMode, ConnectionState, tls};
use crate::worker::drain::DrainStage;

/// So many frames of a read cost a step of the turn. What remains of them in a stream is gathered after the turn: all of them have to fit
/// into h2's budget.
const FRAMES_PER_STEP: usize = 64;

/// From here on the connection uses HTTP/2; bytes that were read already are its first.
pub(in crate::worker) fn start(conn: &Arc<Conn>, s: &mut ConnectionState) {
    let limits = limits(&conn.net);
    let streams = Streams::new(conn, &limits, conn.net.now());
    let mut session = Session::new(&limits, streams.waker(), conn.net.now());
    session.input.extend_from_slice(&s.http.input().split());
    s.http.release_buffers();
    s.http2 = Some(Box::new(session));
    s.mode = ConnectionMode::Http2;
    s.clock.head_since = None;
    admit(conn, s);
    tls::note(conn, s);
    conn.net.page.http2_connected();
    // Set once: a connection does not change its protocol again.
    conn.streams.get_or_init(|| streams.clone());
    // Our settings are sent without a request.
    streams.waker().wake();
    if conn.net.drain.stage() != DrainStage::Serving {
        leave(conn, s);
    }
}

/// Counts the frames that have arrived, and applies the timeout of an incomplete head.
pub(super) fn admit(conn: &Conn, s: &mut ConnectionState) {
    let now = conn.net.now();
    if let Some(session) = &mut s.http2 {
        let admitted = session.admit(now);
        let steps = (admitted.frames / FRAMES_PER_STEP).try_into();
        s.share.spend(steps.unwrap_or(u16::MAX));
        let since = s.clock.head_since.unwrap_or(now);
        s.clock.head_since = session.is_within_head().then_some(since);
        if let Some(streams) = conn.streams.get() {
            admitted
                .resets
                .into_iter()
                .for_each(|number| streams.lose(number));
        }
    }
}

/// The worker drains: streams that have begun finish, and the client is notified to open no others here.
pub(in crate::worker) fn leave(conn: &Conn, s: &mut ConnectionState) {
    if let (Some(session), Some(streams)) = (&mut s.http2, conn.streams.get()) {
        session.leave();
        streams.waker().wake();
    }
}
