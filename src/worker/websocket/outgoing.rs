//! Large messages of the app are compressed in steps, within the connection's share of a turn. The app waits in `send`, other frames than
//! messages may be sent between, and a close frame follows the messages before it.

use std::sync::Arc;

use super::state::{CloseDue, WebSocketEnd, Ws};
use crate::websocket::{Message, OutgoingStep};
use crate::worker::connection::{Conn, ConnectionState, HIGH_WATER};

impl Conn {
    /// Sends the message behind all earlier ones; begins with it where this turn has time.
    pub(super) fn defer_message(self: &Arc<Self>, s: &mut ConnectionState, message: Message) {
        let Some(frames) = s.ws.as_mut().and_then(|ws| ws.frames.as_mut()) else {
            return;
        };
        frames.defer(message);
        s.stream.coding = true;
        if self.net.turn_budget.is_used_up() {
            self.wait_for_a_turn(s);
        } else {
            self.advance(s);
        }
    }

    /// A step of the messages that are deferred. False: there are none, or the client has to read first.
    pub(super) fn send_deferred(self: &Arc<Self>, s: &mut ConnectionState) -> bool {
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
            self.write_frame(s, head.as_bytes(), &payload);
        }
        if !s.ws.as_deref().is_some_and(Ws::has_outgoing) {
            self.deferred_sent(s);
        }
        true
    }

    fn deferred_sent(self: &Arc<Self>, s: &mut ConnectionState) {
        s.stream.coding = false;
        match s.ws.as_deref_mut().and_then(|ws| ws.due.take()) {
            Some(CloseDue::Ours { code, reason }) => self.send_close(s, code, &reason),
            Some(CloseDue::Answer) => self.answer_close(s),
            None => {}
        }
        // An app that waits in `send` goes on.
        self.flush(s);
    }

    /// True: the close frame follows the messages that are deferred. The app is told that it has ended.
    pub(super) fn closes_later(
        self: &Arc<Self>,
        s: &mut ConnectionState,
        due: impl FnOnce() -> CloseDue,
        ended: impl FnOnce() -> WebSocketEnd,
    ) -> bool {
        let Some(ws) = s.ws.as_deref_mut().filter(|ws| ws.has_outgoing()) else {
            return false;
        };
        if ws.due.is_none() {
            ws.due = Some(due());
            ws.ended.get_or_insert_with(ended);
            self.notify_reader(s);
        }
        true
    }
}
