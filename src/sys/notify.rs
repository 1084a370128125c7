//! The datagram socket of the service manager (sd_notify(3)).

use std::ffi::OsStr;
use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};

use super::{Error, Result, Sent};

#[derive(Debug)]
pub struct NotifySocket {
    socket: UnixDatagram,
    address: SocketAddr,
}

impl NotifySocket {
    /// `name` as in `NOTIFY_SOCKET`: a path, or `@` and an abstract name. Nothing is sent yet.
    ///
    /// # Errors
    /// For other kinds of names, and when there is no descriptor left.
    pub fn open(name: &OsStr) -> Result<Self> {
        let failed = |error| Error::new("NOTIFY_SOCKET", name.display(), error);
        let address = match name.as_bytes() {
            [b'@', rest @ ..] => SocketAddr::from_abstract_name(rest),
            [b'/', ..] => SocketAddr::from_pathname(name),
            _ => Err(io::ErrorKind::Unsupported.into()),
        };
        let address = address.map_err(failed)?;
        let socket = UnixDatagram::unbound().map_err(failed)?;
        socket.set_nonblocking(true).map_err(failed)?;
        Ok(Self { socket, address })
    }

    /// One datagram, without waiting. `Closed`: no process listens there (now).
    pub fn send(&self, text: &str) -> Sent {
        loop {
            match self.socket.send_to_addr(text.as_bytes(), &self.address) {
                Ok(_) => return Sent::Whole,
                Err(error) => match error.kind() {
                    io::ErrorKind::Interrupted => {}
                    io::ErrorKind::WouldBlock => return Sent::Full,
                    _ => return Sent::Closed,
                },
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn received(socket: &UnixDatagram) -> String {
        let mut buffer = [0; 256];
        let length = socket.recv(&mut buffer).expect("sent");
        String::from_utf8_lossy(&buffer[..length]).into_owned()
    }

    #[test]
    fn a_path_and_an_abstract_name() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let path = directory.path().join("notify");
        let listener = UnixDatagram::bind(&path).expect("a free path");
        let notify = NotifySocket::open(path.as_os_str()).expect("a path");
        assert_eq!(notify.send("READY=1"), Sent::Whole);
        assert_eq!(received(&listener), "READY=1");
        drop(listener);
        assert_eq!(notify.send("READY=1"), Sent::Closed);

        let name = format!("rgun-test-{}", std::process::id());
        let address = SocketAddr::from_abstract_name(&name).expect("short");
        let listener = UnixDatagram::bind_addr(&address).expect("a free name");
        let notify = NotifySocket::open(OsStr::new(&format!("@{name}"))).expect("abstract");
        assert_eq!(notify.send("STOPPING=1"), Sent::Whole);
        assert_eq!(received(&listener), "STOPPING=1");
    }

    #[test]
    fn a_listener_that_does_not_read_stops_nobody() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let path = directory.path().join("notify");
        let _listener = UnixDatagram::bind(&path).expect("a free path");
        let notify = NotifySocket::open(path.as_os_str()).expect("a path");
        assert!((0..100_000).any(|_| notify.send("WATCHDOG=1") == Sent::Full));
    }

    #[test]
    fn other_names_are_refused() {
        for name in ["", "relative", "vsock:2:1234"] {
            assert!(NotifySocket::open(OsStr::new(name)).is_err(), "{name}");
        }
    }
}
