//! Pairs of sockets that keep message boundaries. It does not know what a message says.

use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, MsgFlags, SockFlag, SockType, recv, send, setsockopt, socketpair, sockopt,
};

use super::{Error, Result};

/// What a read found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Packet {
    /// A whole message: the first that many bytes of the buffer.
    Message(usize),
    /// A message that did not fit; its length. It is lost.
    TooLong(usize),
    /// Nothing to read now.
    Nothing,
    /// The other end is closed by everyone who had it.
    Closed,
}

/// Whether a write went through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sent {
    Whole,
    /// The other end does not read; nothing was sent.
    Full,
    Closed,
}

/// Two connected ends (`SOCK_SEQPACKET`), non-blocking, close-on-exec, which take messages of `longest` bytes.
pub fn packet_pair(longest: usize) -> Result<(OwnedFd, OwnedFd)> {
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    let (one, other) = socketpair(AddressFamily::Unix, SockType::SeqPacket, None, flags)
        .map_err(|e| Error::new("socketpair", "", e))?;
    for end in [&one, &other] {
        // A message must fit into the send buffer as a whole. The kernel caps this at net.core.wmem_max and doubles it.
        setsockopt(end, sockopt::SndBuf, &longest)
            .map_err(|e| Error::new("setsockopt", "SO_SNDBUF", e))?;
    }
    Ok((one, other))
}

/// Sends one message, without waiting.
pub fn send_packet(to: &impl AsFd, message: &[u8]) -> Result<Sent> {
    loop {
        match send(
            to.as_fd().as_raw_fd(),
            message,
            MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_NOSIGNAL,
        ) {
            Ok(_) => return Ok(Sent::Whole),
            Err(Errno::EINTR) => {}
            Err(Errno::EAGAIN | Errno::ENOBUFS) => return Ok(Sent::Full),
            Err(Errno::EPIPE | Errno::ECONNRESET) => return Ok(Sent::Closed),
            Err(e) => return Err(Error::new("send", "channel", e)),
        }
    }
}

/// Reads one message, without waiting.
pub fn receive_packet(from: &impl AsFd, buffer: &mut [u8]) -> Result<Packet> {
    loop {
        // MSG_TRUNC: the length of the message, not of what fitted.
        match recv(
            from.as_fd().as_raw_fd(),
            buffer,
            MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_TRUNC,
        ) {
            // We never send an empty message, so this is the end.
            Ok(0) => return Ok(Packet::Closed),
            Ok(length) if length > buffer.len() => return Ok(Packet::TooLong(length)),
            Ok(length) => return Ok(Packet::Message(length)),
            Err(Errno::EINTR) => {}
            Err(Errno::EAGAIN) => return Ok(Packet::Nothing),
            Err(Errno::ECONNRESET) => return Ok(Packet::Closed),
            Err(e) => return Err(Error::new("recv", "channel", e)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn boundaries_and_the_end_are_seen() {
        let (one, other) = packet_pair(4096).expect("a pair");
        let mut buffer = [0; 8];
        assert_eq!(
            receive_packet(&other, &mut buffer).expect("recv"),
            Packet::Nothing
        );
        assert_eq!(send_packet(&one, b"ab").expect("send"), Sent::Whole);
        assert_eq!(
            send_packet(&one, b"longer than the buffer").expect("send"),
            Sent::Whole
        );
        assert_eq!(
            receive_packet(&other, &mut buffer).expect("recv"),
            Packet::Message(2)
        );
        assert_eq!(&buffer[..2], b"ab");
        assert_eq!(
            receive_packet(&other, &mut buffer).expect("recv"),
            Packet::TooLong(22)
        );
        drop(one);
        assert_eq!(
            receive_packet(&other, &mut buffer).expect("recv"),
            Packet::Closed
        );
        assert_eq!(send_packet(&other, b"x").expect("send"), Sent::Closed);
    }

    #[test]
    fn a_reader_that_does_not_read_never_blocks_the_writer() {
        let (one, _other) = packet_pair(4096).expect("a pair");
        let full =
            (0..100_000).find(|_| send_packet(&one, &[1; 1024]).expect("send") == Sent::Full);
        assert!(full.is_some());
    }
}
