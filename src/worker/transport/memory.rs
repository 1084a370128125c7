//! A transport without a socket, for tests: both ends in memory, with a configurable buffer size, splits and resets.

use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::os::fd::BorrowedFd;
use std::sync::Arc;

use bytes::{BufMut, BytesMut};
use parking_lot::Mutex;

use super::{Transport, Wire};

/// The data in transit between the two ends.
#[derive(Default)]
struct Cable {
    /// From the client, piece by piece: a read returns at most one of them.
    inbound: VecDeque<Vec<u8>>,
    client_ended: bool,
    client_reset: bool,
    /// To the client, not read by it.
    outbound: Vec<u8>,
    /// Room of `outbound`; a write that does not fit is short.
    room: usize,
    /// Taken by `write` and not in `outbound` yet: simulates an encryption layer's buffer.
    staged: Vec<u8>,
    stages: usize,
    server_ended: bool,
    server_reset: bool,
    server_closed: bool,
}

/// The server's end.
pub struct Near(Arc<Mutex<Cable>>);

/// The client's end.
#[derive(Clone)]
pub struct Far(Arc<Mutex<Cable>>);

/// A pair. `room`: unread bytes that fit on the way to the client. `stages`: bytes that `write` holds back beyond those.
pub fn memory(room: usize, stages: usize) -> (Transport, Far) {
    let cable = Arc::new(Mutex::new(Cable {
        room,
        stages,
        ..Cable::default()
    }));
    let near = Transport::over(Wire::Memory(Near(cable.clone())));
    (near, Far(cable))
}

impl Cable {
    fn is_broken(&self) -> bool {
        self.client_reset || self.server_reset
    }

    fn pass_on(&mut self) {
        let free = self.room.saturating_sub(self.outbound.len());
        let count = free.min(self.staged.len());
        self.outbound.extend(self.staged.drain(..count));
    }
}

impl Near {
    pub fn read(&mut self, buffer: &mut BytesMut) -> io::Result<usize> {
        let room = buffer.capacity() - buffer.len();
        self.take(room, |bytes| buffer.put_slice(bytes))
    }

    pub fn discard(&mut self) -> io::Result<usize> {
        self.take(usize::MAX, |_| ())
    }

    fn take(&mut self, most: usize, put: impl FnOnce(&[u8])) -> io::Result<usize> {
        let mut cable = self.0.lock();
        if cable.is_broken() {
            return Err(io::ErrorKind::ConnectionReset.into());
        }
        let Some(piece) = cable.inbound.front_mut() else {
            return if cable.client_ended {
                Ok(0)
            } else {
                Err(io::ErrorKind::WouldBlock.into())
            };
        };
        let count = piece.len().min(most);
        put(&piece[..count]);
        piece.drain(..count);
        if piece.is_empty() {
            cable.inbound.pop_front();
        }
        Ok(count)
    }

    pub fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut cable = self.0.lock();
        if cable.is_broken() || cable.server_ended {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        cable.pass_on();
        let held = cable.outbound.len() + cable.staged.len();
        let count = (cable.room + cable.stages)
            .saturating_sub(held)
            .min(bytes.len());
        if count == 0 && !bytes.is_empty() {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        cable.staged.extend_from_slice(&bytes[..count]);
        cable.pass_on();
        Ok(count)
    }

    pub fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        let mut whole = Vec::new();
        slices
            .iter()
            .for_each(|slice| whole.extend_from_slice(slice));
        self.write(&whole)
    }

    pub fn send_file(
        &mut self,
        file: BorrowedFd<'_>,
        offset: u64,
        count: usize,
    ) -> io::Result<usize> {
        use std::os::unix::fs::FileExt;
        let file = std::fs::File::from(file.try_clone_to_owned()?);
        let mut bytes = vec![0; count];
        let found = file.read_at(&mut bytes, offset)?;
        if found == 0 {
            return Ok(0);
        }
        self.write(&bytes[..found])
    }

    pub fn is_unsent(&self) -> bool {
        !self.0.lock().staged.is_empty()
    }

    pub fn flush(&mut self) -> io::Result<()> {
        let mut cable = self.0.lock();
        if cable.is_broken() {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        cable.pass_on();
        Ok(())
    }

    pub fn half_close(&mut self) -> io::Result<()> {
        let mut cable = self.0.lock();
        if cable.is_broken() {
            return Err(io::ErrorKind::NotConnected.into());
        }
        cable.server_ended = true;
        Ok(())
    }

    pub fn untaken(&self) -> usize {
        let cable = self.0.lock();
        cable.outbound.len() + cable.staged.len()
    }

    /// As the kernel does it: unread bytes cause a reset.
    pub fn shut(&mut self) {
        let mut cable = self.0.lock();
        cable.server_ended = true;
        cable.server_closed = true;
        cable.server_reset |= !cable.inbound.is_empty();
    }

    pub fn reset(&mut self) {
        let mut cable = self.0.lock();
        cable.server_closed = true;
        cable.server_reset = true;
    }
}

/// The client's view of the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClientView {
    Open,
    /// The server's FIN arrived after the last byte.
    Ended,
    Reset,
}

impl Far {
    /// One piece: the server's read returns at most that at once.
    pub fn send(&self, bytes: &[u8]) {
        if !bytes.is_empty() {
            self.0.lock().inbound.push_back(bytes.to_vec());
        }
    }

    /// The client's FIN.
    pub fn end(&self) {
        self.0.lock().client_ended = true;
    }

    pub fn reset(&self) {
        self.0.lock().client_reset = true;
    }

    /// Reads up to `most` bytes of what has arrived.
    pub fn take(&self, most: usize) -> Vec<u8> {
        let mut cable = self.0.lock();
        let count = cable.outbound.len().min(most);
        let taken = cable.outbound.drain(..count).collect();
        cable.pass_on();
        taken
    }

    pub fn seen(&self) -> ClientView {
        let cable = self.0.lock();
        if cable.server_reset {
            ClientView::Reset
        } else if cable.server_ended && cable.outbound.is_empty() && cable.staged.is_empty() {
            ClientView::Ended
        } else {
            ClientView::Open
        }
    }

    /// Whether the client has ended its side, and whether it has reset the connection.
    pub fn has_left(&self) -> [bool; 2] {
        let cable = self.0.lock();
        [cable.client_ended, cable.client_reset]
    }

    /// Bytes that the server has not read.
    pub fn unread(&self) -> usize {
        self.0.lock().inbound.iter().map(Vec::len).sum()
    }

    /// The server has closed its end.
    pub fn is_closed(&self) -> bool {
        self.0.lock().server_closed
    }
}
