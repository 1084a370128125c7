//! When a WebSocket is to be checked again.

use crate::worker::connection::{Conn, ConnectionState};
use crate::worker::network::millis;

/// When it is to be checked again, in monotonic milliseconds; 0: at the next tick.
pub(in crate::worker) fn next(conn: &Conn, s: &ConnectionState) -> u64 {
    let Some(ws) = s.ws.as_deref().filter(|ws| ws.is_open()) else {
        return 0;
    };
    if s.is_unsent() {
        return 0;
    }
    let limit = conn.net.settings.websocket.ping_timeout;
    let answer = ws
        .pinged
        .zip(limit)
        .map(|(since, limit)| since.max(s.clock.write_progress) + millis(limit));
    answer.map_or(ws.next_ping, |answer| answer.min(ws.next_ping))
}
