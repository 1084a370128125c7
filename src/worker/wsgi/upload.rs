//! A request whose body is on its way: taken as it comes, so that no thread waits for a slow client.

use std::fs::File;
use std::io::Write;

use bytes::{Bytes, BytesMut};

use super::body::{Body, SPOOL_ABOVE};
use super::spool;
use crate::http::RequestHead;
use crate::worker::exchange::{Exchange, Received};

pub struct Upload {
    pub exchange: Exchange,
    pub head: RequestHead,
    memory: BytesMut,
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
            memory: BytesMut::new(),
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
                    if !more && self.memory.is_empty() && self.file.is_none() {
                        return Fed::Complete(Body::Memory(piece));
                    }
                    if let Err(streamed) = self.keep(piece) {
                        return Fed::Complete(streamed.with(more));
                    }
                    if !more {
                        return Fed::Complete(self.whole());
                    }
                }
            }
        }
    }

    fn whole(&mut self) -> Body {
        match self.file.take() {
            Some((file, length)) => Body::File { file, length },
            None => Body::Memory(self.memory.split().freeze()),
        }
    }

    /// Err: there is no place for it, the app has to take it as it comes.
    fn keep(&mut self, piece: Bytes) -> Result<(), Streamed> {
        if self.file.is_none() {
            self.memory.extend_from_slice(&piece);
            if self.memory.len() <= SPOOL_ABOVE {
                return Ok(());
            }
            let Some(file) = spool::file() else {
                return Err(Streamed {
                    begun: self.memory.split().freeze(),
                    file: None,
                });
            };
            self.file = Some((file, 0));
            let memory = self.memory.split().freeze();
            return self.spool(memory);
        }
        self.spool(piece)
    }

    fn spool(&mut self, piece: Bytes) -> Result<(), Streamed> {
        let Some((file, length)) = &mut self.file else {
            return Ok(());
        };
        match file.write_all(&piece) {
            Ok(()) => {
                *length += piece.len() as u64;
                Ok(())
            }
            Err(error) => {
                // The disk is full. What is there is there: only the rest is taken as it comes.
                spool::failed(&error);
                Err(Streamed {
                    begun: piece,
                    file: self.file.take(),
                })
            }
        }
    }
}

/// The beginning of a body that goes on as a stream.
struct Streamed {
    begun: Bytes,
    file: Option<(File, u64)>,
}

impl Streamed {
    fn with(self, more: bool) -> Body {
        Body::Stream {
            file: self.file,
            begun: self.begun,
            more,
        }
    }
}
