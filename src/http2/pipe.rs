//! The socket that h2 reads and writes: two buffers, filled and emptied between its turns.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::{Buf, BytesMut};
use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// A frame of most connections, and a short one.
const RESERVE_STEP: usize = 17 * 1024;

/// One end is h2's, the other the session's.
#[derive(Debug, Clone, Default)]
pub struct Pipe(Arc<Mutex<Buffers>>);

#[derive(Debug, Default)]
struct Buffers {
    inbound: BytesMut,
    /// The client sends no more.
    ended: bool,
    outbound: BytesMut,
    /// The limit of `outbound`.
    room: usize,
    /// How much `room` may still grow, for answers without which h2 would not read on.
    reserve: usize,
    /// h2 had more to write than there was room.
    is_full: bool,
}

impl Pipe {
    /// Passes on bytes from the client.
    pub fn feed(&self, bytes: BytesMut) {
        let inbound = &mut self.0.lock().inbound;
        if inbound.is_empty() {
            *inbound = bytes;
        } else {
            inbound.extend_from_slice(&bytes);
        }
    }

    /// False: it had ended.
    pub fn end(&self) -> bool {
        !std::mem::replace(&mut self.0.lock().ended, true)
    }

    /// In bytes: how much h2 may write until `take`, and how much more where it would read nothing without that.
    pub fn set_room(&self, room: usize, reserve: usize) {
        let mut buffers = self.0.lock();
        buffers.room = room;
        buffers.reserve = reserve;
        buffers.is_full = false;
    }

    /// What was fed has been read.
    pub fn is_read(&self) -> bool {
        self.0.lock().inbound.is_empty()
    }

    /// h2 does not read on because it has to write first: gives it room of the reserve. False: that is not so, or the reserve is used up.
    pub fn let_read(&self) -> bool {
        let mut buffers = self.0.lock();
        let more = buffers.reserve.min(RESERVE_STEP);
        let is_stuck = buffers.is_full && !buffers.inbound.is_empty() && more > 0;
        if is_stuck {
            buffers.room += more;
            buffers.reserve -= more;
            buffers.is_full = false;
        }
        is_stuck
    }

    pub fn is_full(&self) -> bool {
        self.0.lock().is_full
    }

    /// What h2 has written.
    pub fn take(&self) -> BytesMut {
        self.0.lock().outbound.split()
    }

    /// Frees the memory of empty buffers.
    pub fn release(&self) {
        let mut buffers = self.0.lock();
        if buffers.inbound.is_empty() {
            buffers.inbound = BytesMut::new();
        }
        if buffers.outbound.is_empty() {
            buffers.outbound = BytesMut::new();
        }
    }
}

/// A pending read or write registers no waker: the caller that changes the buffers polls h2.
impl AsyncRead for Pipe {
    fn poll_read(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let mut buffers = self.0.lock();
        let count = buffers.inbound.len().min(buffer.remaining());
        if count == 0 && !buffers.ended && buffer.remaining() > 0 {
            return Poll::Pending;
        }
        buffer.put_slice(&buffers.inbound[..count]);
        buffers.inbound.advance(count);
        if buffers.inbound.is_empty() {
            // The owner of its memory can use it again.
            buffers.inbound = BytesMut::new();
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Pipe {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(context, &[io::IoSlice::new(bytes)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let mut buffers = self.0.lock();
        let before = buffers.outbound.len();
        for slice in slices {
            let free = buffers.room.saturating_sub(buffers.outbound.len());
            let count = slice.len().min(free);
            buffers.outbound.extend_from_slice(&slice[..count]);
        }
        let written = buffers.outbound.len() - before;
        if written == 0 && slices.iter().any(|slice| !slice.is_empty()) {
            buffers.is_full = true;
            return Poll::Pending;
        }
        Poll::Ready(Ok(written))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    /// The connection under it is closed by its owner.
    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use super::*;

    #[test]
    fn the_memory_of_what_was_read_is_used_again() {
        let mut pipe = Pipe::default();
        let mut input = BytesMut::with_capacity(1_000);
        let place = input.as_ptr();
        let mut context = Context::from_waker(Waker::noop());
        for _ in 0..3 {
            input.reserve(1_000);
            assert_eq!(input.as_ptr(), place);
            input.extend_from_slice(&[b'x'; 600]);
            pipe.feed(input.split());
            let mut found = [0; 600];
            let mut buffer = ReadBuf::new(&mut found);
            assert!(
                Pin::new(&mut pipe)
                    .poll_read(&mut context, &mut buffer)
                    .is_ready()
            );
            assert_eq!(buffer.filled(), [b'x'; 600]);
        }
    }
}
