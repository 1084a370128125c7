//! The body of one request while it comes: kept in memory, a large one in a file, so that no thread waits for a slow client.

use std::fs::File;
use std::io::Write;

use bytes::Bytes;

use super::body::{Begun, Body};
use super::spool;
use crate::http::RequestHead;
use crate::worker::exchange::{Exchange, Received};

/// So much of each body is kept in memory in any case, in bytes.
const FREE: usize = 64 * 1024;
/// And so much where the worker's memory for slow clients lasts. The rest goes to a file.
const MOST: usize = 1024 * 1024;

pub struct Upload {
    pub exchange: Exchange,
    pub head: RequestHead,
    begun: Begun,
    /// Follows them; with its length.
    file: Option<(File, u64)>,
}

/// How far it is.
pub enum Fed {
    /// `App::readable` tells of more.
    Partly,
    Complete(Body),
    /// The client has left, or its body was refused; it was told.
    Lost,
}

impl Upload {
    pub fn new(exchange: Exchange, head: RequestHead) -> Self {
        Self {
            exchange,
            head,
            begun: Begun::default(),
            file: None,
        }
    }

    /// Takes all that has come.
    pub fn feed(&mut self) -> Fed {
        loop {
            match self.exchange.receive() {
                Received::Wait => return Fed::Partly,
                Received::Disconnect => return Fed::Lost,
                Received::Body { piece, more } => {
                    if let Err(last) = self.keep(piece) {
                        return Fed::Complete(Body::Stream {
                            begun: std::mem::take(&mut self.begun),
                            file: self.file.take(),
                            last,
                            more,
                        });
                    }
                    if !more {
                        return Fed::Complete(Body::Whole {
                            begun: std::mem::take(&mut self.begun),
                            file: self.file.take(),
                        });
                    }
                }
            }
        }
    }

    /// Err: there is no place for it, the app has to take it as it comes.
    fn keep(&mut self, piece: Bytes) -> Result<(), Bytes> {
        if self.file.is_none() && self.has_room(piece.len()) {
            self.begun.pieces.push(piece);
            return Ok(());
        }
        let file = match &mut self.file {
            Some(file) => Some(file),
            none => spool::file().map(|file| none.insert((file, 0))),
        };
        let Some((file, length)) = file else {
            return Err(piece);
        };
        if let Err(error) = file.write_all(&piece) {
            // The disk is full. What is there is there: only the rest is taken as it comes.
            spool::failed(&error);
            return Err(piece);
        }
        *length += piece.len() as u64;
        Ok(())
    }

    fn has_room(&mut self, more: usize) -> bool {
        let length = self.begun.pieces.len() + more;
        if length <= FREE {
            return true;
        }
        if length > MOST {
            return false;
        }
        let allowance = &self.exchange.conn.net.allowance;
        match &mut self.begun.share {
            Some(share) => share.grow(more),
            none => {
                *none = allowance.take(more);
                none.is_some()
            }
        }
    }
}
