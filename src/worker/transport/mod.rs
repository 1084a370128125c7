//! The transport of one client: the only owner of its descriptor, with read, write, half close, reset and close.
//!
//! A connection deals in plain bytes and has no socket. What lies between is a variant of [`Wire`]: `Plain` is a
//! socket, and the tests have one in memory with short writes, splits and resets. A further one is a type with the
//! methods of `Plain`, a variant of `Wire`, and a line in each `match` of this file; the compiler lists them. It must
//! guarantee this:
//!
//! - `read` and `write` never wait. [`Read::Nothing`] and `WouldBlock` mean: wait for the reactor's next event
//!   ([`Transport::ready`]). During a handshake all of them return that.
//! - Bytes that `write` has taken and the kernel has not (a record that is half sent) are kept inside: `is_unsent`
//!   reports them, `flush` retries, and the connection neither closes nor reads further requests before they are sent.
//! - `read` returns [`Read::Bytes`] as long as it holds decrypted bytes, whatever the socket's state is.
//!   [`Transport::is_readable`] is true while there may be some.
//! - `half_close` signals the client the end of the data (with `close_notify` before the FIN); `reset` signals that
//!   something is missing; `untaken` is what the client has not read yet, to judge whether it reads at all.
//! - `send_file` sends from a file; where the kernel cannot do that, the bytes are read and written.

mod flow;
#[cfg(test)]
mod memory;
mod of_stream;
mod plain;
mod stream;
#[cfg(test)]
mod tests;
mod tls;

use std::io::{self, IoSlice};
use std::os::fd::{BorrowedFd, OwnedFd};

use bytes::BytesMut;

use crate::http::InputFault;
use crate::sys::epoll::{Epoll, Readiness, Registrar, WatchMode};
use crate::sys::is_forked_child;
use crate::worker::tls::TlsFacts;
pub use flow::ConnectionFlow;
#[cfg(test)]
pub use memory::{ClientView, Far, memory};
use plain::Plain;
use rustls::ServerConnection;
pub use stream::StreamWire;
use tls::{SocketRead, TlsWire};

/// Result of an attempt to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReadResult {
    /// With 0: TLS records without content have arrived, and there may be more.
    Bytes(usize),
    /// The client sends no more.
    End,
    /// The request has ended, and its client is still connected.
    Complete,
    /// The rest of the request is missing or wrong, and it can be answered.
    Refused(InputFault),
    /// Not now.
    Nothing,
    /// The connection is broken, in both directions.
    Failed,
}

/// Whether more output follows at once, so that the kernel need not send a packet for these bytes alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Follows {
    More,
    Nothing,
}

/// What the client sees when the connection is closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum CloseMethod {
    InOrder,
    Reset,
}

pub struct Transport {
    /// `None`: closed.
    wire: Option<Wire>,
    /// Its registration with the reactor.
    registrar: Option<Registrar>,
    close_method: CloseMethod,
    /// There may be bytes (or the end) to read.
    readable: bool,
    /// The client's FIN is in the socket: a short read is not the last event.
    read_closed: bool,
}

/// What lies between a connection and the network.
enum Wire {
    Plain(Plain),
    /// Boxed: a session's state is large, and most connections have none.
    Tls(Box<TlsWire>),
    /// One of several streams of an HTTP/2 connection.
    Stream(Box<StreamWire>),
    #[cfg(test)]
    Memory(memory::Near),
}

impl Transport {
    /// Over a connected, non-blocking socket.
    pub fn plain(fd: OwnedFd) -> Self {
        Self::over(Wire::Plain(Plain::new(fd)))
    }

    /// As `plain`, with TLS.
    pub fn tls(fd: OwnedFd, session: ServerConnection) -> Self {
        Self::over(Wire::Tls(Box::new(TlsWire::new(fd, session))))
    }

    /// Over a stream of HTTP/2.
    pub fn stream(wire: StreamWire) -> Self {
        Self::over(Wire::Stream(Box::new(wire)))
    }

    /// From here on a plain connection uses TLS; `buffer` holds its first bytes, and then their plaintext.
    pub fn start_tls(
        &mut self,
        session: ServerConnection,
        buffer: &mut BytesMut,
    ) -> io::Result<()> {
        let Some(Wire::Plain(plain)) = self.wire.take_if(|wire| matches!(wire, Wire::Plain(_)))
        else {
            return Ok(());
        };
        let mut tls = TlsWire::new(plain.into_fd(), session);
        let ciphertext = buffer.split();
        // Nothing would mean the end of the stream.
        let taken = match &ciphertext[..] {
            [] => Ok(()),
            bytes => tls.take(bytes, buffer).and_then(|()| tls.flush()),
        };
        self.wire = Some(Wire::Tls(Box::new(tls)));
        taken
    }

    /// TLS has negotiated HTTP/2.
    pub fn speaks_http2(&self) -> bool {
        self.session().is_some_and(TlsWire::speaks_http2)
    }

    fn session(&self) -> Option<&TlsWire> {
        match &self.wire {
            Some(Wire::Tls(tls)) => Some(tls),
            _ => None,
        }
    }

    /// The handshake is incomplete.
    pub fn is_handshaking(&self) -> bool {
        self.session().is_some_and(TlsWire::is_handshaking)
    }

    /// The client has sent at least a part of its handshake.
    pub fn has_begun_handshake(&self) -> bool {
        self.session().is_some_and(TlsWire::has_begun)
    }

    /// The client uses plain HTTP where TLS is expected.
    pub fn lacks_tls(&self) -> bool {
        self.session().is_some_and(TlsWire::is_plain)
    }

    /// Why TLS has failed.
    pub fn tls_failure(&self) -> Option<&'static str> {
        self.session().and_then(TlsWire::failure)
    }

    /// The negotiated parameters; `None`: no TLS.
    pub fn tls_facts(&self) -> Option<TlsFacts> {
        self.session().and_then(TlsWire::facts)
    }

    fn over(wire: Wire) -> Self {
        Self {
            wire: Some(wire),
            registrar: None,
            close_method: CloseMethod::InOrder,
            // A client usually sends its request with or right after the handshake.
            readable: true,
            read_closed: false,
        }
    }

    pub fn is_open(&self) -> bool {
        self.wire.is_some()
    }

    /// `None` in a forked child: the connection belongs to its parent, so it neither reads nor writes there.
    fn own(&mut self) -> Option<&mut Wire> {
        if is_forked_child() {
            return None;
        }
        self.wire.as_mut()
    }

    /// Registers it with the reactor under that token. No effect if it is closed already.
    pub fn register(&mut self, epoll: &Epoll, token: u64) -> io::Result<()> {
        if let Some(fd) = self.wire.as_ref().and_then(Wire::descriptor) {
            epoll.add(fd, WatchMode::Edges, token)?;
            self.registrar = Some(epoll.registrar().clone());
        }
        Ok(())
    }

    /// The reactor reports events.
    pub fn ready(&mut self, ready: Readiness) {
        self.readable |= ready.readable;
        self.read_closed |= ready.read_closed;
    }

    /// Whether an attempt to read may find bytes.
    pub fn is_readable(&self) -> bool {
        self.readable
    }

    /// Reads once into the spare capacity of `buffer`.
    pub fn read(&mut self, buffer: &mut BytesMut) -> ReadResult {
        let room = buffer.capacity() - buffer.len();
        let result = match self.own() {
            Some(Wire::Plain(plain)) => plain.read(buffer).map(SocketRead::of),
            Some(Wire::Tls(tls)) => tls.read(buffer),
            Some(Wire::Stream(stream)) => stream.read(buffer).map(SocketRead::of),
            #[cfg(test)]
            Some(Wire::Memory(near)) => near.read(buffer).map(SocketRead::of),
            None => return ReadResult::Nothing,
        };
        self.found(result, |wire, count| match wire {
            Wire::Tls(tls) => tls.has_more(),
            Wire::Stream(_) => true,
            // A short read has emptied the socket: the next bytes cause a new edge (but an end that arrived before
            // does not).
            Wire::Plain(_) => count >= room,
            #[cfg(test)]
            Wire::Memory(_) => count >= room,
        })
    }

    /// Reads once and discards the bytes.
    pub fn discard(&mut self) -> ReadResult {
        let result = match self.own() {
            Some(Wire::Plain(plain)) => plain.discard(),
            Some(Wire::Tls(tls)) => tls.discard(),
            Some(Wire::Stream(stream)) => stream.discard(),
            #[cfg(test)]
            Some(Wire::Memory(near)) => near.discard(),
            None => return ReadResult::Nothing,
        };
        // The size of its buffer is unknown here.
        self.found(result.map(SocketRead::of), |_, _| true)
    }

    fn found(
        &mut self,
        result: io::Result<SocketRead>,
        more: impl FnOnce(&Wire, usize) -> bool,
    ) -> ReadResult {
        match result {
            Ok(SocketRead::End) if matches!(self.wire, Some(Wire::Stream(_))) => {
                ReadResult::Complete
            }
            Ok(SocketRead::End) => ReadResult::End,
            Ok(SocketRead::Bytes(count)) => {
                let more = self.wire.as_ref().is_some_and(|wire| more(wire, count));
                self.readable = more || self.read_closed;
                ReadResult::Bytes(count)
            }
            Err(e) if would_block(&e) => {
                self.readable = false;
                ReadResult::Nothing
            }
            Err(_) => {
                self.readable = false;
                match &self.wire {
                    Some(Wire::Stream(stream)) => stream.fault(),
                    _ => None,
                }
                .map_or(ReadResult::Failed, ReadResult::Refused)
            }
        }
    }

    /// Writes what is taken now.
    pub fn write(&mut self, bytes: &[u8], follows: Follows) -> io::Result<usize> {
        match self.own() {
            Some(Wire::Plain(plain)) => plain.write(bytes, follows),
            Some(Wire::Tls(tls)) => tls.write(bytes, follows),
            Some(Wire::Stream(stream)) => stream.write(bytes),
            #[cfg(test)]
            Some(Wire::Memory(near)) => near.write(bytes),
            None => Err(io::ErrorKind::NotConnected.into()),
        }
    }

    /// Writes what is taken now of several slices, in one call.
    pub fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        match self.own() {
            Some(Wire::Plain(plain)) => plain.write_vectored(slices),
            Some(Wire::Tls(tls)) => tls.write_vectored(slices),
            Some(Wire::Stream(stream)) => stream.write_vectored(slices),
            #[cfg(test)]
            Some(Wire::Memory(near)) => near.write_vectored(slices),
            None => Err(io::ErrorKind::NotConnected.into()),
        }
    }

    /// Writes what is taken now of a file, from `offset`; 0: the file has ended. The file's own position does not move.
    pub fn send_file(
        &mut self,
        file: BorrowedFd<'_>,
        offset: u64,
        count: usize,
    ) -> io::Result<usize> {
        match self.own() {
            Some(Wire::Plain(plain)) => plain.send_file(file, offset, count),
            Some(Wire::Tls(tls)) => tls.send_file(file, offset, count),
            Some(Wire::Stream(stream)) => stream.send_file(file, offset, count),
            #[cfg(test)]
            Some(Wire::Memory(near)) => near.send_file(file, offset, count),
            None => Err(io::ErrorKind::NotConnected.into()),
        }
    }

    /// Whether written bytes are still here and not with the kernel.
    pub fn is_unsent(&self) -> bool {
        match &self.wire {
            // The kernel holds what a socket has taken, and the connection what a stream has taken.
            Some(Wire::Plain(_) | Wire::Stream(_)) | None => false,
            Some(Wire::Tls(tls)) => tls.is_unsent(),
            #[cfg(test)]
            Some(Wire::Memory(near)) => near.is_unsent(),
        }
    }

    /// Retries to pass those on.
    pub fn flush(&mut self) -> io::Result<()> {
        match self.own() {
            Some(Wire::Plain(_) | Wire::Stream(_)) | None => Ok(()),
            Some(Wire::Tls(tls)) => tls.flush(),
            #[cfg(test)]
            Some(Wire::Memory(near)) => near.flush(),
        }
    }

    /// Signals the end of our data; the client can still send.
    pub fn half_close(&mut self) -> io::Result<()> {
        match self.own() {
            Some(Wire::Plain(plain)) => plain.half_close(),
            Some(Wire::Tls(tls)) => tls.half_close(),
            Some(Wire::Stream(stream)) => stream.half_close(),
            #[cfg(test)]
            Some(Wire::Memory(near)) => near.half_close(),
            None => Err(io::ErrorKind::NotConnected.into()),
        }
    }

    /// A second descriptor of the same connection, for an app that takes it over; `None`: it would not carry plain
    /// bytes.
    pub fn duplicate(&self) -> Option<OwnedFd> {
        match &self.wire {
            Some(Wire::Plain(plain)) => plain.descriptor().try_clone_to_owned().ok(),
            #[cfg(test)]
            Some(Wire::Memory(_)) => None,
            Some(Wire::Tls(_) | Wire::Stream(_)) | None => None,
        }
    }

    /// Its socket, where nothing of the connection is in this process.
    pub fn plain_socket(&self) -> Option<BorrowedFd<'_>> {
        match &self.wire {
            Some(Wire::Plain(plain)) => Some(plain.descriptor()),
            #[cfg(test)]
            Some(Wire::Memory(_)) => None,
            Some(Wire::Tls(_) | Wire::Stream(_)) | None => None,
        }
    }

    /// Closes the descriptor, and leaves the connection open for another process that has one.
    pub fn release(&mut self) {
        let registrar = self.registrar.take();
        if let (Some(registrar), Some(fd)) = (registrar, self.plain_socket()) {
            // As in `close`. The registration would outlive the descriptor here.
            drop(registrar.remove(fd));
        }
        self.wire = None;
    }

    /// Ends reading: a reader of such a descriptor gets EOF.
    pub fn end_reading(&self) {
        match &self.wire {
            Some(Wire::Plain(plain)) => plain.end_reading(),
            #[cfg(test)]
            Some(Wire::Memory(_)) => {}
            Some(Wire::Tls(_) | Wire::Stream(_)) | None => {}
        }
    }

    /// The next close signals that something is missing: an incomplete response must not look complete.
    pub fn reset_on_close(&mut self) {
        self.close_method = CloseMethod::Reset;
    }

    /// Number of written bytes that the client has not read; `None`: unknown. For a stream those of its connection count that may come before them.
    pub fn untaken(&self) -> Option<usize> {
        match &self.wire {
            Some(Wire::Plain(plain)) => plain.untaken(),
            Some(Wire::Tls(tls)) => tls.untaken(),
            Some(Wire::Stream(stream)) => Some(stream.untaken()),
            #[cfg(test)]
            Some(Wire::Memory(near)) => Some(near.untaken()),
            None => None,
        }
    }

    /// Closes the connection and its descriptor.
    ///
    /// A child that the app has forked may hold a copy of the descriptor, and with it the open socket. So the
    /// reactor's registration is removed explicitly before the close, or events would continue under a token that
    /// belongs to another connection by then; and the socket itself is shut down, or the client would wait for an end
    /// until the child has exited.
    pub fn close(&mut self) {
        let Some(mut wire) = self.wire.take() else {
            return;
        };
        let registrar = self.registrar.take();
        if is_forked_child() {
            // Registration and connection belong to the parent. A lock of h2 may have been held there at the fork.
            if let Wire::Stream(stream) = wire {
                std::mem::forget(stream);
            }
            return;
        }
        if let (Some(registrar), Some(fd)) = (registrar, wire.descriptor()) {
            // A descriptor that was added and is open can be removed; an error could not be handled anyway.
            drop(registrar.remove(fd));
        }
        match self.close_method {
            CloseMethod::InOrder => wire.shut(),
            CloseMethod::Reset => wire.reset(),
        }
    }
}

impl Wire {
    fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        match self {
            Self::Plain(plain) => Some(plain.descriptor()),
            Self::Tls(tls) => Some(tls.descriptor()),
            Self::Stream(_) => None,
            #[cfg(test)]
            Self::Memory(_) => None,
        }
    }

    fn shut(&mut self) {
        match self {
            Self::Plain(plain) => plain.shut(),
            Self::Tls(tls) => tls.shut(),
            Self::Stream(stream) => stream.shut(),
            #[cfg(test)]
            Self::Memory(near) => near.shut(),
        }
    }

    fn reset(&mut self) {
        match self {
            Self::Plain(plain) => plain.reset(),
            Self::Tls(tls) => tls.reset(),
            Self::Stream(stream) => stream.reset(),
            #[cfg(test)]
            Self::Memory(near) => near.reset(),
        }
    }
}

impl Drop for Transport {
    fn drop(&mut self) {
        self.close();
    }
}

/// Not an error: to be retried later.
pub fn would_block(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted
    )
}
