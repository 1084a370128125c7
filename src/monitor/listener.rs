//! A listening socket of the monitor, of either family.

use std::io;
use std::net;
use std::os::fd::OwnedFd;
use std::os::unix;
use std::task::{Context, Poll, ready};

use tokio::net::{TcpListener, UnixListener};

use crate::sys::{Listener, ListenerAddress};

#[derive(Debug)]
pub enum MonitorListener {
    Tcp(TcpListener),
    Unix(UnixListener),
}

impl MonitorListener {
    /// # Errors
    /// The system's.
    pub fn open(listener: Listener) -> io::Result<Self> {
        Ok(match listener.address {
            ListenerAddress::Tcp(_) => {
                Self::Tcp(TcpListener::from_std(net::TcpListener::from(listener.fd))?)
            }
            ListenerAddress::Unix(_) => Self::Unix(UnixListener::from_std(
                unix::net::UnixListener::from(listener.fd),
            )?),
        })
    }

    /// A connection that does not block.
    pub fn poll_accept(&self, cx: &mut Context<'_>) -> Poll<io::Result<OwnedFd>> {
        Poll::Ready(match self {
            Self::Tcp(listener) => ready!(listener.poll_accept(cx))
                .and_then(|(stream, _)| Ok(stream.into_std()?.into())),
            Self::Unix(listener) => ready!(listener.poll_accept(cx))
                .and_then(|(stream, _)| Ok(stream.into_std()?.into())),
        })
    }
}
