//! What a transport over a stream of HTTP/2 does beyond that of a socket; no effect on others.

use super::{Transport, Wire};

impl Transport {
    /// Whether the client has reset this stream, or lost its connection; for a socket the reactor reports that.
    pub fn is_reset(&mut self) -> bool {
        match self.own() {
            Some(Wire::Stream(stream)) => stream.is_reset(),
            _ => false,
        }
    }

    /// Takes bytes of a stream that are not read yet out of the protocol's buffers.
    pub fn gather(&mut self) {
        if let Some(Wire::Stream(stream)) = self.own() {
            stream.gather();
        }
    }

    /// The client of this stream sends no more.
    pub fn end_input(&mut self) {
        if let Some(Wire::Stream(stream)) = self.own() {
            stream.end_input();
        }
    }

    /// Trailers may follow behind the declared length.
    pub fn expect_trailers(&mut self) {
        if let Some(Wire::Stream(stream)) = self.own() {
            stream.expect_trailers();
        }
    }

    /// Field lines that follow the last byte, where the transport supports them.
    pub fn set_trailers(&mut self, lines: &[u8]) {
        if let Some(Wire::Stream(stream)) = self.own() {
            stream.set_trailers(lines);
        }
    }

    /// Whether the client of this stream cannot send more of its request, because of others of its connection.
    pub fn withholds_credit(&self) -> bool {
        match &self.wire {
            Some(Wire::Stream(stream)) => stream.withholds_credit(),
            _ => false,
        }
    }

    /// As `ready`, for a stream.
    pub fn wake(&mut self) {
        self.readable = true;
    }

    /// The request on this stream has ended: a read would find nothing.
    pub fn is_complete(&mut self) -> bool {
        match self.own() {
            Some(Wire::Stream(stream)) => stream.is_complete(),
            _ => false,
        }
    }
}
