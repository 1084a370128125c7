//! A client's plain socket.

use std::io::{self, IoSlice};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use bytes::BytesMut;

use super::Follows;
use crate::sys::stream;

pub struct Plain {
    fd: OwnedFd,
}

impl Plain {
    pub fn new(fd: OwnedFd) -> Self {
        Self { fd }
    }

    pub fn into_fd(self) -> OwnedFd {
        self.fd
    }

    pub fn descriptor(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }

    pub fn read(&self, buffer: &mut BytesMut) -> io::Result<usize> {
        stream::receive(self.fd.as_fd(), buffer)
    }

    pub fn discard(&self) -> io::Result<usize> {
        stream::discard(self.fd.as_fd())
    }

    pub fn write(&self, bytes: &[u8], follows: Follows) -> io::Result<usize> {
        match follows {
            Follows::Nothing => stream::send(self.fd.as_fd(), bytes),
            Follows::More => stream::send_more(self.fd.as_fd(), bytes),
        }
    }

    pub fn write_vectored(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        stream::send_vectored(self.fd.as_fd(), slices)
    }

    pub fn send_file(&self, file: BorrowedFd<'_>, offset: u64, count: usize) -> io::Result<usize> {
        stream::send_file(self.fd.as_fd(), file, offset, count)
    }

    pub fn half_close(&self) -> io::Result<()> {
        stream::shutdown_write(self.fd.as_fd())
    }

    pub fn end_reading(&self) {
        stream::shutdown_read(self.fd.as_fd());
    }

    pub fn untaken(&self) -> Option<usize> {
        stream::untaken(self.fd.as_fd()).ok()
    }

    pub fn shut(&self) {
        stream::shutdown(self.fd.as_fd());
    }

    pub fn reset(&self) {
        stream::reset(self.fd.as_fd());
    }
}
