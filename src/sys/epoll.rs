//! epoll(7) and eventfd(2).

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::sync::Arc;
use std::time::Duration;

/// What woke us, for one token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Readiness {
    pub token: u64,
    pub readable: bool,
    pub writable: bool,
    /// The peer has closed its side (or both): after a short read there is still the end of stream to read.
    pub read_closed: bool,
    /// Both sides are closed, or the socket failed.
    pub closed: bool,
}

/// How a descriptor is watched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WatchMode {
    /// Reads and writes, edge-triggered: each change is reported once.
    Edges,
    /// Reads, level-triggered.
    Readable,
    /// Reads, edge-triggered.
    ReadableEdge,
    /// Reads, level-triggered, one of several waiting processes is woken (`EPOLLEXCLUSIVE`).
    ReadableExclusive,
}

impl WatchMode {
    fn bits(self) -> u32 {
        let bits = match self {
            Self::Edges => libc::EPOLLIN | libc::EPOLLOUT | libc::EPOLLRDHUP | libc::EPOLLET,
            Self::Readable => libc::EPOLLIN,
            Self::ReadableEdge => libc::EPOLLIN | libc::EPOLLET,
            Self::ReadableExclusive => libc::EPOLLIN | libc::EPOLLEXCLUSIVE,
        };
        bits.cast_unsigned()
    }
}

/// One epoll instance with room for a batch of events.
pub struct Epoll {
    registrar: Registrar,
    events: Vec<libc::epoll_event>,
}

/// The part of an epoll instance that adds and removes descriptors, from any thread. The instance lives as long as one of these.
#[derive(Debug, Clone)]
pub struct Registrar(Arc<OwnedFd>);

impl Registrar {
    pub fn add(&self, fd: BorrowedFd<'_>, watch: WatchMode, token: u64) -> io::Result<()> {
        let mut event = libc::epoll_event {
            events: watch.bits(),
            u64: token,
        };
        // SAFETY: `event` lives through the call; both descriptors are borrowed for it.
        check(unsafe {
            libc::epoll_ctl(
                self.0.as_raw_fd(),
                libc::EPOLL_CTL_ADD,
                fd.as_raw_fd(),
                &raw mut event,
            )
        })
        .map(drop)
    }

    /// Needed also before a close: the registration is one of the open file, which lives on in a forked child's descriptor
    /// (epoll(7), question 6).
    pub fn remove(&self, fd: BorrowedFd<'_>) -> io::Result<()> {
        // SAFETY: the event argument may be null for EPOLL_CTL_DEL (Linux 2.6.9 and later).
        let code = unsafe {
            libc::epoll_ctl(
                self.0.as_raw_fd(),
                libc::EPOLL_CTL_DEL,
                fd.as_raw_fd(),
                std::ptr::null_mut(),
            )
        };
        check(code).map(drop)
    }
}

impl Epoll {
    /// Room for `batch` events a wait.
    pub fn new(batch: usize) -> io::Result<Self> {
        // SAFETY: no pointers are passed.
        let raw = check(unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) })?;
        // SAFETY: the kernel has just given us this descriptor; nothing else owns it.
        let fd = unsafe { OwnedFd::from_raw_fd(raw) };
        Ok(Self {
            registrar: Registrar(Arc::new(fd)),
            events: vec![libc::epoll_event { events: 0, u64: 0 }; batch.max(1)],
        })
    }

    pub fn registrar(&self) -> &Registrar {
        &self.registrar
    }

    pub fn add(&self, fd: BorrowedFd<'_>, watch: WatchMode, token: u64) -> io::Result<()> {
        self.registrar.add(fd, watch, token)
    }

    pub fn remove(&self, fd: BorrowedFd<'_>) -> io::Result<()> {
        self.registrar.remove(fd)
    }

    /// Waits for events; `None`: for ever. Rounded up to milliseconds. An interrupted wait returns no events.
    pub fn wait(&mut self, timeout: Option<Duration>) -> io::Result<usize> {
        let timeout = timeout.map_or(-1, |t| {
            i32::try_from(t.as_micros().div_ceil(1000)).unwrap_or(i32::MAX)
        });
        let room = i32::try_from(self.events.len()).unwrap_or(i32::MAX);
        // SAFETY: the buffer has `room` elements and outlives the call.
        let found =
            unsafe { libc::epoll_wait(self.as_raw_fd(), self.events.as_mut_ptr(), room, timeout) };
        match check(found) {
            Ok(count) => Ok(usize::try_from(count).unwrap_or(0)),
            Err(e) if e.kind() == io::ErrorKind::Interrupted => Ok(0),
            Err(e) => Err(e),
        }
    }

    /// The n-th event of the last wait.
    pub fn event(&self, n: usize) -> Option<Readiness> {
        let event = *self.events.get(n)?;
        let has = |bit: i32| event.events & bit.cast_unsigned() != 0;
        let closed = has(libc::EPOLLHUP) || has(libc::EPOLLERR);
        Some(Readiness {
            token: event.u64,
            readable: has(libc::EPOLLIN) || closed,
            writable: has(libc::EPOLLOUT) || closed,
            read_closed: has(libc::EPOLLRDHUP) || closed,
            closed,
        })
    }
}

impl AsRawFd for Epoll {
    fn as_raw_fd(&self) -> RawFd {
        self.registrar.0.as_raw_fd()
    }
}

/// Wakes an epoll wait from another thread.
pub struct Wake {
    fd: OwnedFd,
}

impl Wake {
    pub fn new() -> io::Result<Self> {
        // SAFETY: no pointers are passed.
        let raw = check(unsafe { libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK) })?;
        // SAFETY: the kernel has just given us this descriptor; nothing else owns it.
        let fd = unsafe { OwnedFd::from_raw_fd(raw) };
        Ok(Self { fd })
    }

    /// Each call is an edge, also when earlier ones were not read.
    pub fn wake(&self) {
        let one = 1u64;
        // SAFETY: eight bytes of `one` are read. The call can only fail when the counter is full, and then a wake is pending.
        unsafe { libc::write(self.fd.as_raw_fd(), (&raw const one).cast(), 8) };
    }

    /// Resets the counter, for level-triggered watches.
    pub fn clear(&self) {
        let mut count = 0u64;
        // SAFETY: eight bytes are written into `count`. It fails only when there was no wake.
        unsafe { libc::read(self.fd.as_raw_fd(), (&raw mut count).cast(), 8) };
    }
}

impl AsFd for Wake {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

fn check(code: libc::c_int) -> io::Result<libc::c_int> {
    if code < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(code)
    }
}
