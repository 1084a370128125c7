//! Pairs of sockets that keep message boundaries.

use std::io::{IoSlice, IoSliceMut};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, ControlMessage, ControlMessageOwned, MsgFlags, SockFlag, SockType, recv,
    recvmsg, send, sendmsg, setsockopt, socketpair, sockopt,
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
    /// The other end is closed, in every process that had it.
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

/// More than that cannot travel with one message (`SCM_MAX_FD`).
const MOST_DESCRIPTORS: usize = 253;

/// As `send_packet`; the other end gets descriptors of its own.
pub fn send_packet_with(
    to: &impl AsFd,
    message: &[u8],
    descriptors: &[BorrowedFd<'_>],
) -> Result<Sent> {
    let raw: Vec<RawFd> = descriptors.iter().map(AsRawFd::as_raw_fd).collect();
    let rights = [ControlMessage::ScmRights(&raw)];
    let rights: &[_] = if raw.is_empty() { &[] } else { &rights };
    let parts = [IoSlice::new(message)];
    let flags = MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_NOSIGNAL;
    loop {
        match sendmsg::<()>(to.as_fd().as_raw_fd(), &parts, rights, flags, None) {
            Ok(_) => return Ok(Sent::Whole),
            Err(Errno::EINTR) => {}
            Err(Errno::EAGAIN | Errno::ENOBUFS) => return Ok(Sent::Full),
            Err(Errno::EPIPE | Errno::ECONNRESET) => return Ok(Sent::Closed),
            Err(e) => return Err(Error::new("sendmsg", "channel", e)),
        }
    }
}

/// As `receive_packet`, with the descriptors that came with the message (close-on-exec).
pub fn receive_packet_with(from: &impl AsFd, buffer: &mut [u8]) -> Result<(Packet, Vec<OwnedFd>)> {
    let (packet, descriptors) = read_packet_with(from, buffer, PacketRead::Take)?;
    let descriptors = descriptors.ok_or_else(|| Error::new("recvmsg", "channel", Errno::EMFILE))?;
    Ok((packet, descriptors))
}

/// What becomes of a message that is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PacketRead {
    Take,
    /// It stays, with its descriptors: the reader gets copies of them.
    Peek,
}

/// As `receive_packet_with`. No descriptors (`None`): this process has as many as it may.
pub fn read_packet_with(
    from: &impl AsFd,
    buffer: &mut [u8],
    read: PacketRead,
) -> Result<(Packet, Option<Vec<OwnedFd>>)> {
    let room = buffer.len();
    let mut space = nix::cmsg_space!([RawFd; MOST_DESCRIPTORS]);
    let mut flags = MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_TRUNC | MsgFlags::MSG_CMSG_CLOEXEC;
    if read == PacketRead::Peek {
        flags |= MsgFlags::MSG_PEEK;
    }
    loop {
        let mut parts = [IoSliceMut::new(buffer)];
        let from = from.as_fd().as_raw_fd();
        let received = match recvmsg::<()>(from, &mut parts, Some(&mut space), flags) {
            Ok(received) => received,
            Err(Errno::EINTR) => continue,
            Err(Errno::EAGAIN) => return Ok((Packet::Nothing, Some(Vec::new()))),
            Err(Errno::ECONNRESET) => return Ok((Packet::Closed, Some(Vec::new()))),
            Err(e) => return Err(Error::new("recvmsg", "channel", e)),
        };
        let packet = match received.bytes {
            0 => Packet::Closed,
            length if length > room => Packet::TooLong(length),
            length => Packet::Message(length),
        };
        if received.flags.contains(MsgFlags::MSG_CTRUNC) {
            // The buffer has room for all of them.
            return Ok((packet, None));
        }
        let mut descriptors = Vec::new();
        let failed = |e| Error::new("recvmsg", "channel", e);
        for part in received.cmsgs().map_err(failed)? {
            if let ControlMessageOwned::ScmRights(raw) = part {
                // SAFETY: the kernel has just made them for this process, and nothing else owns them.
                descriptors.extend(
                    raw.into_iter()
                        .map(|fd| unsafe { OwnedFd::from_raw_fd(fd) }),
                );
            }
        }
        return Ok((packet, Some(descriptors)));
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
