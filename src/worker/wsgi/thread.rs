//! The network side of a request's thread: here it waits for the client, without the GIL.

use std::cell::Cell;
use std::sync::Arc;

use bytes::Bytes;
use pyo3::pybacked::PyBackedBytes;

use super::crew::{Crew, WAITS};
use crate::http::BodyEnd;
use crate::worker::allowance::Share;
use crate::worker::connection::spool::KEPT;
use crate::worker::exchange::{Exchange, Flow, Received, SendError};
use crate::worker::spool::SpoolFile;

/// A large block is given to the connection in pieces of this size, so that what is kept in memory stays bounded.
const PIECE: usize = 256 * 1024;

/// A block of the app that waits for its client.
struct Lent {
    block: PyBackedBytes,
    _share: Option<Share>,
}

impl AsRef<[u8]> for Lent {
    fn as_ref(&self) -> &[u8] {
        &self.block
    }
}

#[derive(Clone)]
pub struct Thread {
    pub crew: Arc<Crew>,
    pub number: usize,
}

impl Thread {
    /// Records that the request makes progress.
    pub fn progress(&self) {
        self.crew
            .set_progress(self.number, self.crew.office.net.now().max(1));
    }

    /// As `exchange.receive`, but waits. Without the GIL.
    pub fn receive(&self, exchange: &Exchange) -> Received {
        self.progress();
        let mut received = None;
        self.wait_until(|| {
            received = match exchange.receive() {
                Received::Wait => None,
                found => Some(found),
            };
            received.is_some()
        });
        received.unwrap_or(Received::Disconnect)
    }

    /// Sends all of it; what the client does not read yet is kept, up to a bound. Without the GIL, unless it is
    /// short. `block`: the same bytes, kept without a copy where nothing follows them and the memory budget allows
    /// it. Where neither the budget nor a file has room, they are kept as well, and the thread waits until the client
    /// has them.
    pub fn send(
        &self,
        exchange: &Exchange,
        data: &[u8],
        end: BodyEnd,
        block: Option<PyBackedBytes>,
    ) -> Result<(), SendError> {
        // Compression makes another block: a large one is made in pieces, too.
        let is_made_in_pieces = exchange.may_be_coded() && data.len() > PIECE;
        if end == BodyEnd::Last && !is_made_in_pieces {
            let share = self.crew.office.net.allowance.take(data.len());
            let has_room = share.is_some();
            let lent = Cell::new(block.map(|block| Lent {
                block,
                _share: share,
            }));
            let lend = || lent.take().map(Bytes::from_owner);
            if has_room {
                exchange.send_lent(data, end, &lend)?;
            } else if exchange.send_spooled(data, end, &|n| self.file(n), Some(&lend))?
                == Flow::Full
            {
                self.wait_to_send(exchange);
            }
            self.progress();
            return Ok(());
        }
        let mut rest = data;
        while rest.len() > PIECE {
            let (piece, more) = rest.split_at(PIECE);
            self.send_piece(exchange, piece, BodyEnd::More)?;
            rest = more;
        }
        self.send_piece(exchange, rest, end)
    }

    fn send_piece(&self, exchange: &Exchange, data: &[u8], end: BodyEnd) -> Result<(), SendError> {
        if self.put(exchange, data, end)? == Flow::Full && end == BodyEnd::More {
            self.wait_to_send(exchange);
        }
        self.progress();
        Ok(())
    }

    /// What the client does not read waits in memory, then in a file.
    pub fn put(&self, exchange: &Exchange, data: &[u8], end: BodyEnd) -> Result<Flow, SendError> {
        exchange.send_spooled(data, end, &|n| self.file(n), None)
    }

    fn file(&self, length: usize) -> Option<SpoolFile> {
        self.crew.spool.file(length).ok()
    }

    /// Where there is no room in a file: waits until the client has read some.
    pub fn wait_to_send(&self, exchange: &Exchange) {
        self.wait_until(|| exchange.may_send_above(KEPT));
    }

    /// Checks the condition after each notification. The worker's end is a notification too.
    fn wait_until(&self, mut condition: impl FnMut() -> bool) {
        let crew = &self.crew;
        // Taken first, so that no notification between a check and the sleep is missed.
        let mut edition = crew.news.edition();
        while !condition() && !crew.roster.lock().over {
            crew.set_progress(self.number, WAITS);
            crew.attend_now();
            edition = crew.news.wait(edition);
        }
        crew.news.leave();
        self.progress();
    }
}
