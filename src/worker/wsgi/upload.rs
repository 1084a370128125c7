//! The body of one request while it arrives: kept in memory, a large one in a file, so that no thread waits for a
//! slow client.

use std::sync::Arc;

use bytes::Bytes;

use super::body::{BodyPrefix, WsgiBody};
use crate::http::{Refusal, RequestHead};
use crate::worker::exchange::{Exchange, Received};
use crate::worker::spool::{NotSpooled, Spool, SpoolFile};

/// Bytes of each body that are kept in memory in any case.
const FREE: usize = 64 * 1024;
/// Bytes that are kept in memory as long as the budget for slow clients lasts. The rest goes to a file.
const MOST: usize = 1024 * 1024;

pub struct Upload {
    pub exchange: Exchange,
    pub head: RequestHead,
    begun: BodyPrefix,
    /// Follows them.
    file: Option<SpoolFile>,
    spool: Arc<Spool>,
}

/// State after `feed`.
pub enum Fed {
    /// `App::readable` reports when more has arrived.
    Partly,
    Complete(WsgiBody),
    /// The client has disconnected, or its body was refused with an error response.
    Lost,
    /// It cannot be kept, for this reason.
    Refused(Refusal),
}

/// Why `Upload::keep` could not store a piece.
enum Unkept {
    /// The app has to read it, and what follows, as it arrives.
    Stream(Bytes),
    DiskFull,
}

impl Upload {
    pub fn new(exchange: Exchange, head: RequestHead, spool: Arc<Spool>) -> Self {
        Self {
            exchange,
            head,
            begun: BodyPrefix::default(),
            file: None,
            spool,
        }
    }

    /// Whether the app gets the head now, and the body as it reads it: the client waits for a `100 Continue`, which
    /// the app triggers by reading (RFC 9110 §10.1.1), or has announced more than would be kept.
    pub fn is_for_the_app_at_once(&self) -> bool {
        let most = self.spool.largest().max(MOST as u64);
        self.exchange.awaits_continue() || self.head.content_length().is_some_and(|n| n > most)
    }

    /// None of it is stored.
    pub fn stream(self) -> (Exchange, RequestHead, WsgiBody) {
        let body = WsgiBody::Stream {
            begun: self.begun,
            file: self.file,
            last: Bytes::new(),
            more: true,
        };
        (self.exchange, self.head, body)
    }

    /// Reads all that has arrived.
    pub fn feed(&mut self) -> Fed {
        loop {
            match self.exchange.receive() {
                Received::Wait => return Fed::Partly,
                Received::Disconnect => return Fed::Lost,
                Received::Body { piece, more } => match self.keep(piece) {
                    Ok(()) if more => {}
                    Ok(()) => {
                        return Fed::Complete(WsgiBody::Whole {
                            begun: std::mem::take(&mut self.begun),
                            file: self.file.take(),
                        });
                    }
                    Err(Unkept::Stream(last)) => {
                        return Fed::Complete(WsgiBody::Stream {
                            begun: std::mem::take(&mut self.begun),
                            file: self.file.take(),
                            last,
                            more,
                        });
                    }
                    Err(Unkept::DiskFull) => return Fed::Refused(Refusal::DiskFull),
                },
            }
        }
    }

    fn keep(&mut self, piece: Bytes) -> Result<(), Unkept> {
        if self.file.is_none() && self.has_room(piece.len()) {
            self.begun.pieces.push(piece);
            return Ok(());
        }
        let kept = match &mut self.file {
            Some(file) => file.append(&[&piece]),
            none => self.spool.file(piece.len()).and_then(|mut file| {
                file.append(&[&piece])?;
                *none = Some(file);
                Ok(())
            }),
        };
        kept.map_err(|why| match why {
            NotSpooled::Bound | NotSpooled::Unusable => Unkept::Stream(piece),
            NotSpooled::DiskFull => Unkept::DiskFull,
        })
    }

    fn has_room(&mut self, more: usize) -> bool {
        let length = self.begun.pieces.len() + more;
        if length <= FREE {
            return true;
        }
        if length > MOST {
            return false;
        }
        let memory_budget = &self.exchange.conn.net.memory_budget;
        match &mut self.begun.share {
            Some(share) => share.grow(more),
            none => {
                *none = memory_budget.take(more);
                none.is_some()
            }
        }
    }
}
