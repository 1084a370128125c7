//! Listeners that were open before we started: `fd://N` and systemd's LISTEN_FDS.

use std::io;
use std::net::SocketAddr;
use std::os::fd::{BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::path::PathBuf;

use nix::fcntl::{FcntlArg, FdFlag, OFlag, fcntl};
use socket2::{Domain, SockAddr, SockRef, Type};

use super::{Audience, Error, Listener, ListenerAddress, Pid, Protection, Result};

/// The first descriptor that systemd passes (`SD_LISTEN_FDS_START`).
const FIRST: RawFd = 3;

/// One descriptor that systemd (or another supervisor) has passed to this process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Passed {
    pub fd: RawFd,
    /// From LISTEN_FDNAMES (`FileDescriptorName=`); empty when there is none.
    pub name: String,
}

/// The descriptors of LISTEN_FDS, if LISTEN_PID is `addressee`: this process, or the one that has put it into the background.
/// `take_listener` then takes them over. Those behind the first one that is not open are left out: the count may be any number.
pub fn passed_descriptors(addressee: Pid) -> Vec<Passed> {
    let variable = |name| std::env::var(name).ok();
    passed(
        addressee,
        variable("LISTEN_PID").as_deref(),
        variable("LISTEN_FDS").as_deref(),
        variable("LISTEN_FDNAMES").as_deref(),
        is_open,
    )
}

fn is_open(fd: RawFd) -> bool {
    // SAFETY: only looked at through a call that fails on a number that is not open.
    let looked_at = unsafe { BorrowedFd::borrow_raw(fd) };
    fcntl(looked_at, FcntlArg::F_GETFD).is_ok()
}

fn passed(
    addressee: Pid,
    pid: Option<&str>,
    count: Option<&str>,
    names: Option<&str>,
    is_open: impl Fn(RawFd) -> bool,
) -> Vec<Passed> {
    if pid.and_then(|pid| pid.parse().ok()) != Some(addressee.as_raw()) {
        return Vec::new();
    }
    let count: RawFd = count.and_then(|count| count.parse().ok()).unwrap_or(0);
    let mut names = names.unwrap_or_default().split(':');
    let all = FIRST..FIRST.saturating_add(count);
    let open = all.clone().take_while(|fd| is_open(*fd)).count();
    all.take(open.saturating_add(1))
        .map(|fd| Passed {
            fd,
            name: names.next().unwrap_or_default().to_owned(),
        })
        .collect()
}

/// Takes over an inherited descriptor, made non-blocking and close-on-exec.
///
/// The caller ensures that nothing else in this process uses that number; what is not a listening stream socket is rejected.
pub fn take_listener(fd: RawFd) -> Result<Listener> {
    let object = format!("fd://{fd}");
    let refused = |reason: &str| Error::new("bind", &object, io::Error::other(reason.to_owned()));
    if fd < 0 {
        return Err(refused("not a descriptor"));
    }
    // SAFETY: only looked at through calls that fail on a number that is not open; owned below, once it is known to be.
    let looked_at = unsafe { BorrowedFd::borrow_raw(fd) };
    fcntl(looked_at, FcntlArg::F_GETFD).map_err(|_| refused("the descriptor is not open"))?;
    let socket = SockRef::from(&looked_at);
    let kind = socket.r#type().map_err(|_| refused("not a socket"))?;
    if kind != Type::STREAM {
        return Err(refused("not a stream socket"));
    }
    if !socket
        .is_listener()
        .map_err(|e| Error::new("getsockopt", &object, e))?
    {
        return Err(refused("the socket does not listen"));
    }
    let name = socket
        .local_addr()
        .map_err(|e| Error::new("getsockname", &object, e))?;
    let address = address_of(&name).ok_or_else(|| refused("neither TCP nor a unix socket"))?;
    if name.domain() != Domain::UNIX {
        // As for our own listeners; one of a kind without that option does not need it.
        drop(socket.set_tcp_nodelay(true));
    }
    fcntl(looked_at, FcntlArg::F_SETFD(FdFlag::FD_CLOEXEC))
        .map_err(|e| Error::new("fcntl", &object, e))?;
    let flags = fcntl(looked_at, FcntlArg::F_GETFL).map_err(|e| Error::new("fcntl", &object, e))?;
    let flags = OFlag::from_bits_retain(flags) | OFlag::O_NONBLOCK;
    fcntl(looked_at, FcntlArg::F_SETFL(flags)).map_err(|e| Error::new("fcntl", &object, e))?;
    // SAFETY: it is open, and nothing else in this process owns it (the caller ensures that).
    let fd = unsafe { OwnedFd::from_raw_fd(fd) };
    Ok(Listener {
        fd,
        address,
        protection: Protection::None,
        audience: Audience::Everybody,
    })
}

fn address_of(name: &SockAddr) -> Option<ListenerAddress> {
    if let Some(address) = name.as_socket() {
        return Some(ListenerAddress::Tcp(unmapped(address)));
    }
    if name.domain() != Domain::UNIX {
        return None;
    }
    let path = match (name.as_pathname(), name.as_abstract_namespace()) {
        (Some(path), _) => path.to_owned(),
        (None, Some(text)) => PathBuf::from(format!("@{}", String::from_utf8_lossy(text))),
        (None, None) => PathBuf::new(),
    };
    Some(ListenerAddress::Unix(path))
}

/// `::ffff:127.0.0.1` as the IPv4 address that it is.
fn unmapped(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, UdpSocket};
    use std::os::fd::{AsRawFd, IntoRawFd};

    use super::*;

    #[test]
    fn a_listener_is_taken_and_made_private_and_non_blocking() {
        let given = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = given.local_addr().expect("bound");
        let listener = take_listener(given.into_raw_fd()).expect("a listener");
        assert_eq!(listener.address, ListenerAddress::Tcp(address));
        let flags = fcntl(&listener.fd, FcntlArg::F_GETFL).expect("open");
        assert!(OFlag::from_bits_retain(flags).contains(OFlag::O_NONBLOCK));
        assert_eq!(
            fcntl(&listener.fd, FcntlArg::F_GETFD).expect("open"),
            FdFlag::FD_CLOEXEC.bits()
        );
    }

    #[test]
    fn anything_else_is_refused_and_stays_open() {
        let refusal = |fd: RawFd| take_listener(fd).expect_err("not a listener").to_string();
        let datagrams = UdpSocket::bind("127.0.0.1:0").expect("a free port");
        assert!(refusal(datagrams.as_raw_fd()).ends_with(": not a stream socket"));
        assert!(datagrams.local_addr().is_ok());
        let file = tempfile::tempfile().expect("a file");
        assert!(refusal(file.as_raw_fd()).ends_with(": not a socket"));
        let idle = socket2::Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
        assert!(refusal(idle.as_raw_fd()).ends_with(": the socket does not listen"));
        assert_eq!(refusal(9999), "bind fd://9999: the descriptor is not open");
        assert_eq!(refusal(-1), "bind fd://-1: not a descriptor");
    }

    #[test]
    fn only_descriptors_meant_for_this_process_count() {
        let this = Pid::new(100).expect("positive");
        let passed = |pid, count, names| passed(this, pid, count, names, |fd| fd < 5);
        assert_eq!(passed(Some("99"), Some("2"), None), []);
        assert_eq!(passed(None, Some("2"), None), []);
        assert_eq!(passed(Some("100"), Some("many"), None), []);
        let numbers = |count| {
            let passed = passed(Some("100"), Some(count), None).into_iter();
            passed.map(|one| one.fd).collect::<Vec<_>>()
        };
        assert_eq!(
            numbers("99999999"),
            [3, 4, 5],
            "the first one that is not open"
        );
        let two = passed(Some("100"), Some("2"), Some("http"));
        assert_eq!(
            two,
            [
                Passed {
                    fd: 3,
                    name: "http".into()
                },
                Passed {
                    fd: 4,
                    name: String::new()
                }
            ]
        );
    }
}
