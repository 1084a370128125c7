//! A listening stream socket and its address. `tcp.rs` and `unix.rs` open them; `accept` is in `stream.rs`.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::PathBuf;

use socket2::SockRef;

use super::{Error, Result};

/// Where a listener listens.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum ListenerAddress {
    /// With the port the kernel chose, if port 0 was asked for.
    Tcp(SocketAddr),
    /// A path; an abstract name is written with a leading `@`, a socket without a name is an empty path.
    Unix(PathBuf),
}

impl ListenerAddress {
    /// ASGI's `server`: host and port, or path and nothing.
    pub fn server(&self) -> (String, Option<u16>) {
        match self {
            Self::Tcp(address) => (address.ip().to_string(), Some(address.port())),
            Self::Unix(path) => (path.to_string_lossy().into_owned(), None),
        }
    }
}

/// `127.0.0.1:8000`, `[::1]:8000`, `unix:/run/app.sock`.
impl fmt::Display for ListenerAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// Whether what is accepted there is encrypted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Protection {
    #[default]
    None,
    Tls,
}

impl Protection {
    /// An address as an operator reads it: `https://[::1]:8443`.
    pub fn shown(self, address: &ListenerAddress) -> String {
        match (address, self) {
            (ListenerAddress::Tcp(_), Self::None) => format!("http://{address}"),
            (ListenerAddress::Tcp(_), Self::Tls) => format!("https://{address}"),
            (ListenerAddress::Unix(_), _) => address.to_string(),
        }
    }
}

/// The clients that a listener is for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Audience {
    #[default]
    Everybody,
    /// Checks of a generation before it serves.
    Preview,
}

/// A non-blocking, close-on-exec, listening stream socket.
#[derive(Debug)]
pub struct Listener {
    pub fd: OwnedFd,
    pub address: ListenerAddress,
    pub protection: Protection,
    pub audience: Audience,
}

impl Listener {
    /// Whether others may listen at the same address (`SO_REUSEPORT`).
    pub fn shares_port(&self) -> bool {
        SockRef::from(&self.fd).reuse_port().unwrap_or(false)
    }

    /// Starts to listen, where that was left to the process that accepts.
    ///
    /// # Errors
    /// When the system refuses, naming the address.
    pub fn listen(&self, backlog: u32) -> Result<()> {
        let socket = SockRef::from(&self.fd);
        let failed = |call| move |e: io::Error| Error::new(call, &self.address, e);
        if socket.is_listener().map_err(failed("getsockopt"))? {
            return Ok(());
        }
        let backlog = i32::try_from(backlog).unwrap_or(i32::MAX);
        socket.listen(backlog).map_err(failed("listen"))
    }
}

impl AsFd for Listener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// `http://127.0.0.1:8000`, `https://[::1]:8443`, `unix:/run/app.sock`.
impl fmt::Display for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.protection.shown(&self.address))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_read_as_an_operator_writes_them() {
        let tcp = ListenerAddress::Tcp("[::1]:8000".parse().expect("a literal"));
        assert_eq!(tcp.to_string(), "[::1]:8000");
        assert_eq!(tcp.server(), ("::1".to_owned(), Some(8000)));
        let unix = ListenerAddress::Unix(PathBuf::from("/run/a.sock"));
        assert_eq!(unix.to_string(), "unix:/run/a.sock");
        assert_eq!(unix.server(), ("/run/a.sock".to_owned(), None));
    }
}
