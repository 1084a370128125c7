//! Writing to the client: at once what the socket takes, the rest when it takes more.

use std::io::IoSlice;

use super::conn::Conn;
use super::state::{ConnectionState, LOW_WATER};
use crate::worker::transport::{Follows, Transport, would_block};

/// Bytes of a file or a block that are sent before other connections get their turn.
const SHARE: usize = 4 * 1024 * 1024;

/// The output side of a connection's state, borrowed apart from its HTTP state (whose buffers the pieces point into).
pub struct ConnectionOutput<'s> {
    transport: &'s mut Transport,
    out: &'s mut bytes::BytesMut,
    write_closed: &'s mut bool,
}

impl<'s> ConnectionOutput<'s> {
    pub fn of(
        transport: &'s mut Transport,
        out: &'s mut bytes::BytesMut,
        write_closed: &'s mut bool,
    ) -> Self {
        Self {
            transport,
            out,
            write_closed,
        }
    }

    /// Writes all pieces, or keeps what does not fit. True: everything is with the kernel.
    pub fn write(&mut self, pieces: [&[u8]; 3]) -> bool {
        if let Some(rest) = self.offer(pieces) {
            rest.iter()
                .for_each(|piece| self.out.extend_from_slice(piece));
        }
        self.out.is_empty()
    }

    /// Writes what the socket takes; returns the rest, if there is one. Output that can no longer be delivered is
    /// dropped.
    pub fn offer<'p>(&mut self, pieces: [&'p [u8]; 3]) -> Option<[&'p [u8]; 3]> {
        if *self.write_closed || !self.transport.is_open() {
            return None;
        }
        let total = pieces.iter().map(|p| p.len()).sum::<usize>();
        if !self.out.is_empty() {
            return Some(pieces);
        }
        if total == 0 {
            return None;
        }
        let result = if pieces[0].len() == total {
            self.transport.write(pieces[0], Follows::Nothing)
        } else {
            self.transport.write_vectored(&pieces.map(IoSlice::new))
        };
        match result {
            Ok(count) if count == total => None,
            Ok(mut sent) => Some(pieces.map(|piece| {
                let skip = sent.min(piece.len());
                sent -= skip;
                &piece[skip..]
            })),
            Err(e) if would_block(&e) => Some(pieces),
            Err(_) => {
                *self.write_closed = true;
                None
            }
        }
    }
}

/// Writes kept output, as far as the socket takes it.
pub(in crate::worker) fn flush(conn: &Conn, s: &mut ConnectionState) {
    if s.transport.is_unsent() && s.transport.flush().is_err() {
        s.write_closed = true;
    }
    while !s.out.is_empty() && !s.write_closed {
        if !s.transport.is_open() {
            return;
        }
        let follows = if s.pending.is_some() {
            Follows::More
        } else {
            Follows::Nothing
        };
        match s.transport.write(&s.out, follows) {
            Ok(count) => {
                s.sent(count);
                s.clock.write_progress = conn.net.now();
            }
            Err(e) if would_block(&e) => break,
            Err(_) => s.write_closed = true,
        }
    }
    if s.out.is_empty() && s.pending.is_some() {
        flush_pending(conn, s);
        if !s.out.is_empty() {
            return flush(conn, s);
        }
    }
    if s.write_closed {
        s.sent(s.out.len());
        s.pending = None;
    }
    if s.out.len() > LOW_WATER || s.pending.is_some() {
        return;
    }
    if let (Some(compressor), Some(job)) = (&conn.net.compressor, s.stream.parked.take()) {
        // The pool has threads: one of them has parked the job.
        drop(compressor.run(job));
    } else if s.stream.waits.send && !s.stream.coding {
        s.stream.waits.send = false;
        conn.net.app().writable(conn.request_key(s));
    }
}

/// Sends what the socket takes of the part, but at most a share of it: other connections wait too.
fn flush_pending(conn: &Conn, s: &mut ConnectionState) {
    let mut share = SHARE;
    while let Some(part) = &mut s.pending {
        if part.left == 0 {
            s.out = std::mem::take(&mut part.behind);
            s.pending = part.next.take();
            return;
        }
        if share == 0 {
            conn.wait_for_a_turn(s);
            return;
        }
        if !s.transport.is_open() {
            return;
        }
        match part.send(&mut s.transport, share) {
            Ok(0) => {
                tracing::error!(
                    file = part.name(),
                    missing = part.left,
                    "file became shorter while it was sent"
                );
                give_up_pending(s);
                return;
            }
            Ok(count) => {
                share -= count;
                s.clock.write_progress = conn.net.now();
            }
            Err(e) if would_block(&e) => return,
            Err(error) => {
                // A disk error, or a client that has disconnected.
                tracing::debug!(%error, "rest of a response not sent");
                give_up_pending(s);
                return;
            }
        }
    }
}

/// The rest will not be sent: the client detects that by the announced length, when the connection ends here.
fn give_up_pending(s: &mut ConnectionState) {
    s.pending = None;
    s.transport.reset_on_close();
    s.write_closed = true;
}
