//! Sending to a server of logs or metrics, without waiting: datagrams, or a stream that is connected when it is needed.

use std::io::{self, ErrorKind, Write};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use socket2::{SockAddr, Socket, Type};

use super::{Error, Lookup, Result, clock};

/// A stream that could not be connected is tried again after this.
const RECONNECT_AFTER: Duration = Duration::from_secs(1);

/// How soon a process checks again for an address that is not known yet.
const LOOK_AFTER: Duration = Duration::from_millis(100);

#[derive(Debug)]
pub struct Remote(RemoteKind);

#[derive(Debug)]
enum RemoteKind {
    Udp(Udp),
    /// By its path at each send: its server may start later, and start again.
    Datagrams(UnixDatagram, PathBuf),
    Stream(RemoteStream),
    Either(Either),
}

/// As a syslog handler does: datagrams, and a stream where the socket is one.
#[derive(Debug)]
struct Either {
    datagrams: UnixDatagram,
    path: PathBuf,
    stream: RemoteStream,
    /// As it was found last, also while its server is away.
    is_stream: bool,
}

/// Connected once the address is known.
#[derive(Debug)]
struct Udp {
    server: Arc<Lookup>,
    socket: Option<UdpSocket>,
    /// The next check for the address is not before this.
    next: Duration,
}

#[derive(Debug)]
enum Address {
    Path(SockAddr),
    Host(Arc<Lookup>),
}

#[derive(Debug)]
struct RemoteStream {
    address: Address,
    open: Option<Socket>,
    /// The next attempt to connect is not before this.
    next: Duration,
}

impl Remote {
    pub fn udp(server: Arc<Lookup>) -> Remote {
        Remote(RemoteKind::Udp(Udp {
            server,
            socket: None,
            next: Duration::ZERO,
        }))
    }

    pub fn tcp(server: Arc<Lookup>) -> Remote {
        Remote(RemoteKind::Stream(RemoteStream::to(Address::Host(server))))
    }

    /// A unix socket of datagrams, which need not be there yet.
    ///
    /// # Errors
    /// When there is no descriptor left.
    pub fn datagrams(path: &Path) -> Result<Remote> {
        Ok(Remote(RemoteKind::Datagrams(
            unbound(path)?,
            path.to_owned(),
        )))
    }

    /// # Errors
    /// When the path is too long.
    pub fn stream(path: &Path) -> Result<Remote> {
        let address = Address::Path(unix_address(path)?);
        Ok(Remote(RemoteKind::Stream(RemoteStream::to(address))))
    }

    /// A unix socket of either kind.
    ///
    /// # Errors
    /// When the path is too long.
    pub fn unix(path: &Path) -> Result<Remote> {
        Ok(Remote(RemoteKind::Either(Either {
            datagrams: unbound(path)?,
            path: path.to_owned(),
            stream: RemoteStream::to(Address::Path(unix_address(path)?)),
            is_stream: false,
        })))
    }

    /// Whether each message needs a terminator, because a stream keeps no boundaries.
    #[must_use]
    pub fn is_stream(&self) -> bool {
        match &self.0 {
            RemoteKind::Udp(_) | RemoteKind::Datagrams(..) => false,
            RemoteKind::Stream(_) => true,
            RemoteKind::Either(either) => either.is_stream,
        }
    }

    /// Whether nothing can be sent before the name servers have answered.
    #[must_use]
    pub fn is_unresolved(&self) -> bool {
        match &self.0 {
            RemoteKind::Udp(udp) => udp.socket.is_none() && udp.server.address().is_none(),
            RemoteKind::Stream(RemoteStream {
                address: Address::Host(server),
                ..
            }) => server.address().is_none(),
            RemoteKind::Datagrams(..) | RemoteKind::Stream(_) | RemoteKind::Either(..) => false,
        }
    }

    /// Returns how much was sent: of a datagram all, of a stream perhaps a part.
    ///
    /// # Errors
    /// `WouldBlock`: not now, or the address is not known yet. Others: this piece is lost.
    pub fn send(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut self.0 {
            RemoteKind::Udp(udp) => udp.send(bytes),
            RemoteKind::Datagrams(socket, path) => socket.send_to(bytes, &*path),
            RemoteKind::Stream(stream) => stream.send(bytes),
            RemoteKind::Either(either) => either.send(bytes),
        }
    }

    /// In a forked child: drops the connection, which is its parent's.
    pub fn after_fork(&mut self) {
        match &mut self.0 {
            RemoteKind::Udp(_) | RemoteKind::Datagrams(..) => {}
            RemoteKind::Stream(stream) | RemoteKind::Either(Either { stream, .. }) => {
                stream.open = None;
            }
        }
    }
}

impl Udp {
    fn send(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let socket = match &self.socket {
            Some(socket) => socket,
            None => self.connect()?,
        };
        match socket.send(bytes) {
            // The error is of the datagram before.
            Err(error) if error.kind() == ErrorKind::ConnectionRefused => socket.send(bytes),
            sent => sent,
        }
    }

    fn connect(&mut self) -> io::Result<&UdpSocket> {
        let now = clock::monotonic();
        if now < self.next {
            return Err(ErrorKind::WouldBlock.into());
        }
        self.next = now + LOOK_AFTER;
        let address = self.server.address().ok_or(ErrorKind::WouldBlock)?;
        let any = match address {
            SocketAddr::V4(_) => SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)),
            SocketAddr::V6(_) => SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0)),
        };
        let socket = UdpSocket::bind(any)?;
        socket.set_nonblocking(true)?;
        socket.connect(address)?;
        Ok(self.socket.insert(socket))
    }
}

impl Either {
    fn send(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let sent = if self.is_stream {
            self.stream.send(bytes)
        } else {
            self.datagrams.send_to(bytes, &self.path)
        };
        match sent {
            Err(error) if error.raw_os_error() == Some(libc::EPROTOTYPE) => {
                // Its server has started again with a socket of the other kind, or for the first time.
                self.is_stream = !self.is_stream;
                Err(ErrorKind::WouldBlock.into())
            }
            sent => sent,
        }
    }
}

impl RemoteStream {
    fn to(address: Address) -> RemoteStream {
        RemoteStream {
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
        let address = match &self.address {
            Address::Path(address) => address.clone(),
            Address::Host(server) => server.address().ok_or(ErrorKind::WouldBlock)?.into(),
        };
        self.next = now + RECONNECT_AFTER;
        let socket = Socket::new(address.domain(), Type::STREAM, None)?;
        socket.set_nonblocking(true)?;
        match socket.connect(&address) {
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
            // The connection is not established yet.
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
        let port = server.local_addr().unwrap().port();
        let lookup = Lookup::start("localhost", port).unwrap();
        lookup.wait(Duration::from_secs(60));
        let mut remote = Remote::udp(Arc::new(lookup));
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
        // It stays a stream while its server is away, so that its records are kept.
        drop((server, stream));
        std::fs::remove_file(&path).unwrap();
        for _ in 0..5 {
            assert!(remote.send(b"three").is_err() && remote.is_stream());
        }
        let server = UnixDatagram::bind(&path).unwrap();
        remote.after_fork();
        let until = clock::monotonic() + 2 * RECONNECT_AFTER;
        while remote.send(b"four").is_err() {
            assert!(clock::monotonic() < until, "a server of datagrams is found");
        }
        assert!(!remote.is_stream());
        assert_eq!(server.recv(&mut buffer).unwrap(), 4);
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
