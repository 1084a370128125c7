//! Frames to the client.

use crate::worker::connection::{Conn, ConnectionOutput, ConnectionState, deadlines};

/// A short message is copied behind the head of its frame: one `send` of one piece is cheaper than a `sendmsg`.
const COPY_UP_TO: usize = 2048;

pub(super) fn write(conn: &Conn, s: &mut ConnectionState, head: &[u8], payload: &[u8]) {
    let mut output = ConnectionOutput::of(&mut s.transport, &mut s.out, &mut s.write_closed);
    let all = if payload.is_empty() {
        output.write([head, b"", b""])
    } else if payload.len() <= COPY_UP_TO {
        let mut frame = [0; 10 + COPY_UP_TO];
        let len = head.len() + payload.len();
        frame[..head.len()].copy_from_slice(head);
        frame[head.len()..len].copy_from_slice(payload);
        output.write([&frame[..len], b"", b""])
    } else {
        output.write([head, payload, b""])
    };
    if !all {
        s.clock.write_progress = conn.net.now();
        deadlines::schedule(conn, s);
    }
}
