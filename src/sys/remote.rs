//! Sending to a server of logs or metrics, without waiting: datagrams, or a stream that is connected when it is needed. It does
//! not know what it sends.

use std::io::{self, ErrorKind, Write};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs, UdpSocket};
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::time::Duration;

use socket2::{SockAddr, Socket, Type};

use super::{Error, Result, clock};

/// A stream that could not be connected is tried again after this.
const RECONNECT_AFTER: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub struct Remote(Kind);

#[derive(Debug)]
enum Kind {
    Udp(UdpSocket),
    /// By its path each time: its owner may come later, and come again.
    Datagrams(UnixDatagram, PathBuf),
    Stream(Stream),
    /// As a syslog handler does: datagrams, and a stream where the socket is one.
    Either(UnixDatagram, PathBuf, Stream),
}

#[derive(Debug)]
struct Stream {
    address: SockAddr,
    open: Option<Socket>,
    /// Not before.
    next: Duration,
}

impl Remote {
    /// # Errors
    /// When the name cannot be resolved.
    pub fn udp(host: &str, port: u16) -> Result<Remote> {
        let address = resolve(host, port)?;
        let any = match address {
            SocketAddr::V4(_) => SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)),
            SocketAddr::V6(_) => SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0)),
        };
        let socket = UdpSocket::bind(any).and_then(|socket| {
            socket.set_nonblocking(true)?;
            socket.connect(address)?;
            Ok(socket)
        });
        let socket = socket.map_err(|error| Error::new("connect", address, error))?;
        Ok(Remote(Kind::Udp(socket)))
    }

    /// # Errors
    /// When the name cannot be resolved.
    pub fn tcp(host: &str, port: u16) -> Result<Remote> {
        let address = resolve(host, port)?;
        Ok(Remote(Kind::Stream(Stream::to(address.into()))))
    }

    /// A unix socket of datagrams, which need not be there yet.
    ///
    /// # Errors
    /// When there is no descriptor left.
    pub fn datagrams(path: &Path) -> Result<Remote> {
        Ok(Remote(Kind::Datagrams(unbound(path)?, path.to_owned())))
    }

    /// # Errors
    /// When the path is too long.
    pub fn stream(path: &Path) -> Result<Remote> {
        Ok(Remote(Kind::Stream(Stream::to(unix_address(path)?))))
    }

    /// A unix socket of either kind.
    ///
    /// # Errors
    /// When the path is too long.
    pub fn unix(path: &Path) -> Result<Remote> {
        let stream = Stream::to(unix_address(path)?);
        Ok(Remote(Kind::Either(
            unbound(path)?,
            path.to_owned(),
            stream,
        )))
    }

    /// Whether what is sent needs an end of its own, because the other side sees no pieces.
    #[must_use]
    pub fn is_stream(&self) -> bool {
        match &self.0 {
            Kind::Udp(_) | Kind::Datagrams(..) => false,
            Kind::Stream(_) => true,
            Kind::Either(_, _, stream) => stream.open.is_some(),
        }
    }

    /// How much was sent: of a datagram all, of a stream perhaps a part.
    ///
    /// # Errors
    /// `WouldBlock`: not now. Others: this piece is lost.
    pub fn send(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut self.0 {
            Kind::Udp(socket) => match socket.send(bytes) {
                // It tells of the one before.
                Err(error) if error.kind() == ErrorKind::ConnectionRefused => socket.send(bytes),
                sent => sent,
            },
            Kind::Datagrams(socket, path) => socket.send_to(bytes, &*path),
            Kind::Stream(stream) => stream.send(bytes),
            Kind::Either(socket, path, stream) => {
                if stream.open.is_some() {
                    return stream.send(bytes);
                }
                match socket.send_to(bytes, &*path) {
                    Err(error) if error.raw_os_error() == Some(libc::EPROTOTYPE) => {
                        stream.connect()?;
                        Err(ErrorKind::WouldBlock.into())
                    }
                    sent => sent,
                }
            }
        }
    }

    /// In a child: the connection is its parent's.
    pub fn after_fork(&mut self) {
        match &mut self.0 {
            Kind::Udp(_) | Kind::Datagrams(..) => {}
            Kind::Stream(stream) | Kind::Either(_, _, stream) => stream.open = None,
        }
    }
}

impl Stream {
    fn to(address: SockAddr) -> Stream {
        Stream {
            address,
            open: None,
            next: Duration::ZERO,
        }
    }

    fn connect(&mut self) -> io::Result<()> {
        let now = clock::monotonic();
        if now < self.next {
            return Err(ErrorKind::NotConnected.into());
        }
        self.next = now + RECONNECT_AFTER;
        let socket = Socket::new(self.address.domain(), Type::STREAM, None)?;
        socket.set_nonblocking(true)?;
        match socket.connect(&self.address) {
            Err(error) if error.raw_os_error() != Some(libc::EINPROGRESS) => return Err(error),
            Ok(()) | Err(_) => {}
        }
        self.open = Some(socket);
        Ok(())
    }

    fn send(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.open.is_none() {
            self.connect()?;
        }
        let Some(socket) = &mut self.open else {
            return Err(ErrorKind::NotConnected.into());
        };
        match socket.write(bytes) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => Err(error),
            // Still on its way.
            Err(error) if error.raw_os_error() == Some(libc::ENOTCONN) => {
                Err(ErrorKind::WouldBlock.into())
            }
            Err(error) => {
                self.open = None;
                Err(error)
            }
            sent => sent,
        }
    }
}

fn resolve(host: &str, port: u16) -> Result<SocketAddr> {
    let failed = |error| Error::new("resolve", host, error);
    let mut found = (host, port).to_socket_addrs().map_err(failed)?;
    // `localhost` first of all means 127.0.0.1, where servers of this kind listen.
    let addresses: Vec<_> = found.by_ref().collect();
    let v4 = addresses.iter().find(|address| address.is_ipv4());
    v4.or(addresses.first())
        .copied()
        .ok_or_else(|| failed(ErrorKind::NotFound.into()))
}

fn unbound(path: &Path) -> Result<UnixDatagram> {
    let socket = UnixDatagram::unbound().and_then(|socket| {
        socket.set_nonblocking(true)?;
        Ok(socket)
    });
    socket.map_err(|error| Error::new("socket", path.display(), error))
}

fn unix_address(path: &Path) -> Result<SockAddr> {
    SockAddr::unix(path).map_err(|error| Error::new("connect", path.display(), error))
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::os::unix::net::UnixListener;

    use super::*;

    #[test]
    fn datagrams_arrive_whole() {
        let server = UdpSocket::bind("127.0.0.1:0").unwrap();
        let mut remote = Remote::udp("localhost", server.local_addr().unwrap().port()).unwrap();
        assert_eq!(remote.send(b"one").unwrap(), 3);
        let mut buffer = [0; 16];
        assert_eq!(server.recv(&mut buffer).unwrap(), 3);
    }

    #[test]
    fn a_unix_socket_may_come_later_and_be_of_either_kind() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("log");
        let mut remote = Remote::unix(&path).unwrap();
        assert!(remote.send(b"nobody").is_err());
        let server = UnixDatagram::bind(&path).unwrap();
        assert_eq!(remote.send(b"one").unwrap(), 3);
        let mut buffer = [0; 16];
        assert_eq!(server.recv(&mut buffer).unwrap(), 3);
        drop(server);
        std::fs::remove_file(&path).unwrap();
        let server = UnixListener::bind(&path).unwrap();
        assert_eq!(
            remote.send(b"two").unwrap_err().kind(),
            ErrorKind::WouldBlock
        );
        assert_eq!(remote.send(b"two").unwrap(), 3);
        let (mut stream, _) = server.accept().unwrap();
        stream.read_exact(&mut buffer[..3]).unwrap();
        assert_eq!(&buffer[..3], b"two");
    }

    #[test]
    fn nobody_is_waited_for() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("full");
        let _server = UnixDatagram::bind(&path).unwrap();
        let mut remote = Remote::datagrams(&path).unwrap();
        let full = (0..100_000).find_map(|_| remote.send(b"x").err());
        assert_eq!(full.map(|error| error.kind()), Some(ErrorKind::WouldBlock));
    }
}
