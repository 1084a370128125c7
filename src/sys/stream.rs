//! Bytes in and out of a connected, non-blocking stream socket.

use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use bytes::{BufMut, BytesMut};

/// Reads once into the spare capacity of `buffer`; 0 is the peer's end of stream (or no capacity).
pub fn receive(fd: BorrowedFd<'_>, buffer: &mut BytesMut) -> io::Result<usize> {
    let room = buffer.capacity() - buffer.len();
    let spare = buffer.spare_capacity_mut();
    // SAFETY: the kernel writes at most `room` bytes into the spare capacity.
    let count = check(unsafe {
        libc::recv(
            fd.as_raw_fd(),
            spare.as_mut_ptr().cast(),
            room,
            libc::MSG_DONTWAIT,
        )
    })?;
    // SAFETY: the kernel has initialised the first `count` bytes of it.
    unsafe { buffer.advance_mut(count) };
    Ok(count)
}

/// Reads and discards; returns how many bytes.
pub fn discard(fd: BorrowedFd<'_>) -> io::Result<usize> {
    let mut mem_file = [0u8; 16 * 1024];
    // SAFETY: the buffer has that many bytes.
    check(unsafe {
        libc::recv(
            fd.as_raw_fd(),
            mem_file.as_mut_ptr().cast(),
            mem_file.len(),
            libc::MSG_DONTWAIT,
        )
    })
}

/// Writes what the socket takes now.
pub fn send(fd: BorrowedFd<'_>, bytes: &[u8]) -> io::Result<usize> {
    // SAFETY: pointer and length come from one slice.
    check(unsafe {
        libc::send(
            fd.as_raw_fd(),
            bytes.as_ptr().cast(),
            bytes.len(),
            libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL,
        )
    })
}

/// As `send`, but more follows at once: the kernel need not send a packet for these bytes alone.
pub fn send_more(fd: BorrowedFd<'_>, bytes: &[u8]) -> io::Result<usize> {
    // SAFETY: pointer and length come from one slice.
    check(unsafe {
        libc::send(
            fd.as_raw_fd(),
            bytes.as_ptr().cast(),
            bytes.len(),
            libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL | libc::MSG_MORE,
        )
    })
}

/// Writes what the (non-blocking) socket takes now of a file, from `offset`; 0: the file has ended. The file's own
/// position does not move.
pub fn send_file(
    fd: BorrowedFd<'_>,
    file: BorrowedFd<'_>,
    offset: u64,
    count: usize,
) -> io::Result<usize> {
    let mut offset = libc::off_t::try_from(offset).map_err(io::Error::other)?;
    // SAFETY: `offset` is a valid place for an off_t; SIGPIPE is ignored in workers.
    check(unsafe { libc::sendfile(fd.as_raw_fd(), file.as_raw_fd(), &raw mut offset, count) })
}

/// Reads of a file from `offset`; 0: it has ended. The file's own position does not move.
pub fn read_at(file: BorrowedFd<'_>, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
    let offset = libc::off_t::try_from(offset).map_err(io::Error::other)?;
    // SAFETY: the kernel writes at most as many bytes as the buffer has.
    check(unsafe {
        libc::pread(
            file.as_raw_fd(),
            buffer.as_mut_ptr().cast(),
            buffer.len(),
            offset,
        )
    })
}

/// Writes what the socket takes now of several slices, in one call.
pub fn send_vectored(fd: BorrowedFd<'_>, slices: &[IoSlice<'_>]) -> io::Result<usize> {
    // SAFETY: all-zero is a valid msghdr: no name, no control data.
    let mut message: libc::msghdr = unsafe { std::mem::zeroed() };
    // IoSlice has the layout of iovec; the kernel only reads through it.
    message.msg_iov = slices.as_ptr().cast_mut().cast();
    message.msg_iovlen = slices.len() as _;
    // SAFETY: `message` points at `slices`, which outlives the call.
    check(unsafe {
        libc::sendmsg(
            fd.as_raw_fd(),
            &raw const message,
            libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL,
        )
    })
}

/// Sends a FIN; the peer can still send to us.
pub fn shutdown_write(fd: BorrowedFd<'_>) -> io::Result<()> {
    // SAFETY: no pointers are passed.
    check(unsafe { libc::shutdown(fd.as_raw_fd(), libc::SHUT_WR) } as isize).map(drop)
}

/// Ends both directions for every process that has the socket. What is unread is answered with a reset, as after a close.
pub fn shutdown(fd: BorrowedFd<'_>) {
    // SAFETY: no pointers are passed. It fails only where there is no connection any more.
    unsafe { libc::shutdown(fd.as_raw_fd(), libc::SHUT_RDWR) };
}

/// Reads return end of stream from now on, also one that is blocked; the peer is not notified.
pub fn shutdown_read(fd: BorrowedFd<'_>) {
    // SAFETY: no pointers are passed. It fails only where there is no connection any more.
    unsafe { libc::shutdown(fd.as_raw_fd(), libc::SHUT_RD) };
}

/// How many bytes the kernel holds that the peer has not taken (tcp(7), unix(7): SIOCOUTQ).
pub fn untaken(fd: BorrowedFd<'_>) -> io::Result<usize> {
    let mut count: libc::c_int = 0;
    // SAFETY: TIOCOUTQ, which is Linux's SIOCOUTQ, writes one int to the given address.
    check(unsafe { libc::ioctl(fd.as_raw_fd(), libc::TIOCOUTQ, &raw mut count) } as isize)?;
    Ok(usize::try_from(count).unwrap_or(0))
}

/// Resets the connection, for every process that has the socket, so that no peer takes a truncated response for a complete one.
/// A unix socket has no reset: it is closed in order.
pub fn reset(fd: BorrowedFd<'_>) {
    // SAFETY: all-zero is a valid sockaddr; its family is AF_UNSPEC.
    let nowhere: libc::sockaddr = unsafe { std::mem::zeroed() };
    let length = size_of::<libc::sockaddr>() as libc::socklen_t;
    // connect(2): a TCP connection is dissolved by connecting to AF_UNSPEC, which Linux does with a reset.
    // SAFETY: `nowhere` has `length` bytes.
    if unsafe { libc::connect(fd.as_raw_fd(), &raw const nowhere, length) } != 0 {
        shutdown(fd);
    }
}

/// Takes one connection from a listener; non-blocking and close-on-exec. The address is `None` for unix peers.
pub fn accept(listener: BorrowedFd<'_>) -> io::Result<(OwnedFd, Option<SocketAddr>)> {
    // SAFETY: all-zero is a valid sockaddr_storage.
    let mut storage: libc::sockaddr_storage = unsafe { std::mem::zeroed() };
    let mut length = size_of::<libc::sockaddr_storage>() as libc::socklen_t;
    // SAFETY: `storage` has `length` bytes.
    let raw = unsafe {
        libc::accept4(
            listener.as_raw_fd(),
            (&raw mut storage).cast(),
            &raw mut length,
            libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK,
        )
    };
    check(raw as isize)?;
    // SAFETY: the kernel has just given us this descriptor; nothing else owns it.
    let fd = unsafe { OwnedFd::from_raw_fd(raw) };
    Ok((fd, peer(&storage)))
}

fn peer(storage: &libc::sockaddr_storage) -> Option<SocketAddr> {
    match i32::from(storage.ss_family) {
        libc::AF_INET => {
            // SAFETY: by its family this storage holds a sockaddr_in.
            let v4 = unsafe { &*(&raw const *storage).cast::<libc::sockaddr_in>() };
            Some(
                (
                    std::net::Ipv4Addr::from(u32::from_be(v4.sin_addr.s_addr)),
                    u16::from_be(v4.sin_port),
                )
                    .into(),
            )
        }
        libc::AF_INET6 => {
            // SAFETY: by its family this storage holds a sockaddr_in6.
            let v6 = unsafe { &*(&raw const *storage).cast::<libc::sockaddr_in6>() };
            Some(
                (
                    std::net::Ipv6Addr::from(v6.sin6_addr.s6_addr),
                    u16::from_be(v6.sin6_port),
                )
                    .into(),
            )
        }
        _ => None,
    }
}

fn check(count: isize) -> io::Result<usize> {
    usize::try_from(count).map_err(|_| io::Error::last_os_error())
}

/// Whether `accept` has failed for one connection only, or had none to return: the next call may succeed. Other errors (no
/// memory, a listener that was shut down) persist.
pub fn is_of_one_connection(error: &io::Error) -> bool {
    const LOST: [i32; 9] = [
        libc::EPERM,
        libc::EPROTO,
        libc::ENOPROTOOPT,
        libc::EOPNOTSUPP,
        libc::ENETDOWN,
        libc::ENETUNREACH,
        libc::EHOSTDOWN,
        libc::EHOSTUNREACH,
        libc::ENONET,
    ];
    matches!(
        error.kind(),
        io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted | io::ErrorKind::ConnectionAborted
    ) || error
        .raw_os_error()
        .is_some_and(|code| LOST.contains(&code))
}

/// This process has no descriptor left.
pub const EMFILE: i32 = libc::EMFILE;
/// The machine has no descriptor left.
pub const ENFILE: i32 = libc::ENFILE;
