//! What `src/sys/stream.rs` asks of the kernel, of a socket in memory: there is one in each thread.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::os::fd::BorrowedFd;

use bytes::BytesMut;

#[derive(Default)]
pub struct Socket {
    /// From the client; a read gives no more than one of them.
    pub inbound: VecDeque<Vec<u8>>,
    pub ended: bool,
    pub outbound: Vec<u8>,
}

thread_local! {
    pub static SOCKET: RefCell<Socket> = RefCell::default();
}

pub fn receive(_: BorrowedFd<'_>, buffer: &mut BytesMut) -> io::Result<usize> {
    SOCKET.with_borrow_mut(|socket| {
        let Some(piece) = socket.inbound.pop_front() else {
            return if socket.ended {
                Ok(0)
            } else {
                Err(io::ErrorKind::WouldBlock.into())
            };
        };
        buffer.extend_from_slice(&piece);
        Ok(piece.len())
    })
}

pub fn discard(_: BorrowedFd<'_>) -> io::Result<usize> {
    Ok(0)
}

pub fn send(_: BorrowedFd<'_>, bytes: &[u8]) -> io::Result<usize> {
    SOCKET.with_borrow_mut(|socket| socket.outbound.extend_from_slice(bytes));
    Ok(bytes.len())
}

pub fn send_more(fd: BorrowedFd<'_>, bytes: &[u8]) -> io::Result<usize> {
    send(fd, bytes)
}

pub fn send_vectored(fd: BorrowedFd<'_>, slices: &[IoSlice<'_>]) -> io::Result<usize> {
    slices.iter().map(|slice| send(fd, slice)).sum()
}

pub fn send_file(_: BorrowedFd<'_>, _: BorrowedFd<'_>, _: u64, _: usize) -> io::Result<usize> {
    Ok(0)
}

pub fn read_at(_: BorrowedFd<'_>, _: &mut [u8], _: u64) -> io::Result<usize> {
    Ok(0)
}

pub fn shutdown_write(_: BorrowedFd<'_>) -> io::Result<()> {
    Ok(())
}

pub fn shutdown(_: BorrowedFd<'_>) {}

pub fn untaken(_: BorrowedFd<'_>) -> io::Result<usize> {
    Ok(0)
}

pub fn reset(_: BorrowedFd<'_>) {}
