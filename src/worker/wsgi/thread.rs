//! The network side of a request's thread: here it waits for the client, without the GIL.

use std::cell::Cell;
use std::sync::Arc;

use bytes::Bytes;
use pyo3::pybacked::PyBackedBytes;

use super::thread_pool::{ThreadPool, WAITS};
use crate::http::BodyEnd;
use crate::worker::connection::spool::KEPT;
use crate::worker::exchange::{Backpressure, Exchange, Received, SendError};
use crate::worker::memory_budget::BudgetShare;
use crate::worker::spool::SpoolFile;

/// A large block is given to the connection in pieces of this size, so that what is kept in memory stays bounded.
const PIECE: usize = 256 * 1024;

/// A block of the app that waits for its client.
struct Lent {
    block: PyBackedBytes,
    _share: Option<BudgetShare>,
}

impl AsRef<[u8]> for Lent {
    fn as_ref(&self) -> &[u8] {
        &self.block
    }
}

#[derive(Clone)]
pub struct Thread {
    pub thread_pool: Arc<ThreadPool>,
    pub number: usize,
}

impl Thread {
    /// Records that the request makes progress.
    pub fn progress(&self) {
        self.thread_pool
            .set_progress(self.number, self.thread_pool.context.net.now().max(1));
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
            let share = self.thread_pool.context.net.memory_budget.take(data.len());
            let has_room = share.is_some();
            let lent = Cell::new(block.map(|block| Lent {
                block,
                _share: share,
            }));
            let lend = || lent.take().map(Bytes::from_owner);
            if has_room {
                exchange.send_lent(data, end, &lend)?;
            } else if exchange.send_spooled(data, end, &|n| self.file(n), Some(&lend))?
                == Backpressure::Full
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
        if self.put(exchange, data, end)? == Backpressure::Full && end == BodyEnd::More {
            self.wait_to_send(exchange);
        }
        self.progress();
        Ok(())
    }

    /// What the client does not read waits in memory, then in a file.
    pub fn put(
        &self,
        exchange: &Exchange,
        data: &[u8],
        end: BodyEnd,
    ) -> Result<Backpressure, SendError> {
        exchange.send_spooled(data, end, &|n| self.file(n), None)
    }

    fn file(&self, length: usize) -> Option<SpoolFile> {
        self.thread_pool.spool.file(length).ok()
    }

    /// Where there is no room in a file: waits until the client has read some.
    pub fn wait_to_send(&self, exchange: &Exchange) {
        self.wait_until(|| exchange.may_send_above(KEPT));
    }

    /// Checks the condition after each notification. The worker's end is a notification too.
    fn wait_until(&self, mut condition: impl FnMut() -> bool) {
        let thread_pool = &self.thread_pool;
        // Taken first, so that no notification between a check and the sleep is missed.
        let mut version = thread_pool.wait_queue.version();
        while !condition() && !thread_pool.scheduler.lock().over {
            thread_pool.set_progress(self.number, WAITS);
            thread_pool.attend_now();
            version = thread_pool.wait_queue.wait(version);
        }
        thread_pool.wait_queue.leave();
        self.progress();
    }
}
