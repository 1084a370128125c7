//! The transfer of a client's bytes: when it last made progress, and whether the client reads what it is sent.

use std::cell::Cell;
use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::os::fd::OwnedFd;
use std::os::unix::net;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::UnixStream;
use tokio::time::{Instant, sleep_until};

/// The state of a client, shared by its connection and its requests.
pub struct ClientFlow {
    moved: Cell<Instant>,
    /// The kernel accepts no more of the responses.
    is_blocked: Cell<bool>,
    waiting: Cell<Option<Waker>>,
}

impl ClientFlow {
    pub fn begin() -> Self {
        Self {
            moved: Cell::new(Instant::now()),
            is_blocked: Cell::new(false),
            waiting: Cell::new(None),
        }
    }

    /// Returns when no byte has moved for that long.
    pub async fn silent_for(&self, patience: Duration) {
        loop {
            let due = self.moved.get() + patience;
            if due <= Instant::now() {
                return;
            }
            sleep_until(due).await;
        }
    }

    /// Returns when the kernel has accepted what was written before.
    pub async fn writable(&self) {
        poll_fn(|cx| {
            if self.is_blocked.get() {
                self.waiting.set(Some(cx.waker().clone()));
                Poll::Pending
            } else {
                Poll::Ready(())
            }
        })
        .await;
    }

    fn wrote(&self, result: &Poll<io::Result<usize>>) {
        self.is_blocked.set(result.is_pending());
        if result.is_ready() {
            self.moved.set(Instant::now());
            if let Some(waiting) = self.waiting.take() {
                waiting.wake();
            }
        }
    }
}

/// A connection of any family.
pub struct MonitorStream {
    socket: UnixStream,
    flow: Rc<ClientFlow>,
}

impl MonitorStream {
    /// `connection` must not block.
    ///
    /// # Errors
    /// The system's.
    pub fn new(connection: OwnedFd, flow: Rc<ClientFlow>) -> io::Result<Self> {
        // Only reading, writing and shutting down are used, which are the same for every stream socket.
        let socket = UnixStream::from_std(net::UnixStream::from(connection))?;
        Ok(Self { socket, flow })
    }
}

impl AsyncRead for MonitorStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let result = Pin::new(&mut self.socket).poll_read(cx, buffer);
        if buffer.filled().len() > before {
            self.flow.moved.set(Instant::now());
        }
        result
    }
}

impl AsyncWrite for MonitorStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.socket).poll_write(cx, bytes);
        self.flow.wrote(&result);
        result
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.socket).poll_write_vectored(cx, pieces);
        self.flow.wrote(&result);
        result
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(cx)
    }
}
