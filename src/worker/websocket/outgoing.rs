//! Large messages of the app are compressed in steps, within the connection's share of a turn. The app waits in `send`, other frames than
//! messages may be sent between, and a close frame follows the messages before it.

use super::state::{CloseDue, Ws};
use super::{closing, frames};
use crate::websocket::OutgoingStep;
use crate::worker::connection::{Conn, ConnectionState, HIGH_WATER, output};

/// A step of the messages that are deferred. False: there are none, or the client has to read first.
pub(super) fn step(conn: &Conn, s: &mut ConnectionState) -> bool {
    let Some(frames) = s.ws.as_mut().and_then(|ws| ws.frames.as_mut()) else {
        return false;
    };
    if !frames.has_outgoing() || (s.out.len() > HIGH_WATER && !s.write_closed) {
        return false;
    }
    if s.write_closed {
        frames.drop_outgoing();
    }
    let step = frames.poll_outgoing();
    s.share.spend_on(frames.take_work());
    if let OutgoingStep::Frame(head, payload) = step {
        frames::write(conn, s, head.as_bytes(), &payload);
    }
    if !s.ws.as_deref().is_some_and(Ws::has_outgoing) {
        deferred_sent(conn, s);
    }
    true
}

fn deferred_sent(conn: &Conn, s: &mut ConnectionState) {
    s.stream.coding = false;
    match s.ws.as_deref_mut().and_then(|ws| ws.due.take()) {
        Some(CloseDue::Ours { code, reason }) => closing::send(conn, s, code, &reason),
        Some(CloseDue::Answer) => closing::answer(conn, s),
        None => {}
    }
    // An app that waits in `send` goes on.
    output::flush(conn, s);
}
