//! The streams of one connection, and the notes between them and the connection.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::task::{Wake, Waker};

use parking_lot::Mutex;

use crate::http2::{Http2Limits, SEND_BUFFER};
use crate::worker::transport::ConnectionFlow;

/// Output of a connection that its kernel and its own buffer hold at the most, in bytes.
const KERNEL_BUFFER: u64 = 8 * 1024 * 1024;

/// What the client of a stream can still do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClientSide {
    SendsAndReceives,
    /// It has ended its side of the connection.
    Receives,
    /// It has reset the stream, or the connection is over. h2 does not report that for a stream whose response is sent, and its app may still run.
    Gone,
}

/// What one connection and its streams are, as far as their notes go.
pub trait StreamConnection {
    /// The stream has bytes, or room, or was reset, or its client can do less with it.
    fn stream_ready(self: &Arc<Self>, client: ClientSide);
    /// The connection's session has work; so many streams are `open`.
    fn go_on_with_session(self: &Arc<Self>, open: usize);
}

pub struct Streams<C> {
    connection: Weak<C>,
    open: Mutex<OpenStreams<C>>,
    /// Shared with wakers.
    notes: Arc<PendingWork>,
    /// Shared with the streams' transports.
    flow: Arc<ConnectionFlow>,
    /// When the last one ended, or the connection began, in monotonic milliseconds.
    idle_since: AtomicU64,
    /// Calls of `settle` since a thread entered it.
    calls: AtomicU32,
}

struct OpenStreams<C> {
    by_number: HashMap<u32, OpenStream<C>>,
    /// The connection is closed. Its streams end with their requests: until then their timers and turns find them by its place.
    orphaned: bool,
}

struct OpenStream<C> {
    stream: Arc<C>,
    client: ClientSide,
}

/// Work to be done when no lock is held.
#[derive(Default)]
struct PendingWork {
    any: AtomicBool,
    /// The session has work although no bytes have arrived.
    session: AtomicBool,
    /// Streams that have bytes, or room, or were reset; by number.
    streams: Mutex<Vec<u32>>,
}

impl PendingWork {
    fn add(&self, stream: u32) {
        self.streams.lock().push(stream);
        self.any.store(true, Ordering::Release);
    }
}

/// The waker of the session.
impl Wake for PendingWork {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.session.store(true, Ordering::Release);
        self.any.store(true, Ordering::Release);
    }
}

struct StreamNote {
    notes: Arc<PendingWork>,
    number: u32,
}

impl Wake for StreamNote {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.notes.add(self.number);
    }
}

/// A thread is in `settle`. After a panic in it the work is noted anew, for the next call.
struct Settling<'s, C>(&'s Streams<C>);

impl<C> Drop for Settling<'_, C> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let numbers: Vec<u32> = self.0.open.lock().by_number.keys().copied().collect();
            numbers
                .into_iter()
                .for_each(|number| self.0.notes.add(number));
            self.0.notes.wake_by_ref();
            self.0.calls.store(0, Ordering::Release);
        }
    }
}

impl<C: StreamConnection> Streams<C> {
    /// `now` in monotonic milliseconds.
    pub fn new(connection: &Arc<C>, limits: &Http2Limits, now: u64) -> Arc<Self> {
        let notes = Arc::<PendingWork>::default();
        let ahead = u64::from(limits.concurrent_streams) * SEND_BUFFER as u64 + KERNEL_BUFFER;
        let waker = notes.clone().into();
        let flow = ConnectionFlow::new(waker, limits.connection_window(), ahead);
        Arc::new(Self {
            connection: Arc::downgrade(connection),
            open: Mutex::new(OpenStreams {
                by_number: HashMap::new(),
                orphaned: false,
            }),
            notes,
            flow: Arc::new(flow),
            idle_since: AtomicU64::new(now),
            calls: AtomicU32::new(0),
        })
    }

    pub fn flow(&self) -> &Arc<ConnectionFlow> {
        &self.flow
    }

    /// The waker of the session.
    pub fn waker(&self) -> Waker {
        self.notes.clone().into()
    }

    pub fn waker_of(&self, number: u32) -> Waker {
        let notes = self.notes.clone();
        Arc::new(StreamNote { notes, number }).into()
    }

    /// Whether the session was woken since the last call.
    pub fn take_wake(&self) -> bool {
        self.notes.session.swap(false, Ordering::AcqRel)
    }

    pub fn len(&self) -> usize {
        self.open.lock().by_number.len()
    }

    /// `None`: some are open.
    pub fn idle_since(&self) -> Option<u64> {
        (self.len() == 0).then(|| self.idle_since.load(Ordering::Relaxed))
    }

    pub fn get(&self, number: u32) -> Option<Arc<C>> {
        let open = self.open.lock();
        open.by_number.get(&number).map(|open| open.stream.clone())
    }

    pub fn all(&self) -> Vec<Arc<C>> {
        let open = self.open.lock();
        open.by_number
            .values()
            .map(|open| open.stream.clone())
            .collect()
    }

    /// Adds a stream; its request is handled when the lock of the connection is released.
    pub fn add(&self, number: u32, stream: Arc<C>) {
        let client = ClientSide::SendsAndReceives;
        let open = OpenStream { stream, client };
        self.open.lock().by_number.insert(number, open);
        self.notes.add(number);
    }

    /// The client has reset the stream, if it is open.
    pub fn lose(&self, number: u32) {
        if let Some(open) = self.open.lock().by_number.get_mut(&number) {
            open.client = ClientSide::Gone;
            self.notes.add(number);
        }
    }

    /// The client sends no more on any stream.
    pub fn end_input(&self) {
        for (number, open) in &mut self.open.lock().by_number {
            if open.client == ClientSide::SendsAndReceives {
                open.client = ClientSide::Receives;
                self.notes.add(*number);
            }
        }
    }

    /// Nothing can be sent or received on the streams any more.
    pub fn lose_all(&self) {
        for (number, open) in &mut self.open.lock().by_number {
            open.client = ClientSide::Gone;
            self.notes.add(*number);
        }
    }

    /// The connection is closed. True: no stream is open, and its place can be freed.
    pub fn orphan(&self) -> bool {
        self.lose_all();
        let mut open = self.open.lock();
        open.orphaned = true;
        open.by_number.is_empty()
    }

    /// Removes a stream that has ended, at `now` in monotonic milliseconds. True: it was the last one of a closed connection, whose
    /// place can be freed.
    pub fn remove(&self, number: u32, now: u64) -> bool {
        let (stream, is_last) = {
            let mut open = self.open.lock();
            let stream = open.by_number.remove(&number);
            (stream, open.orphaned && open.by_number.is_empty())
        };
        self.idle_since.store(now, Ordering::Relaxed);
        // The connection may be complete, or idle from here on.
        self.notes.wake_by_ref();
        drop(stream);
        is_last
    }

    /// Whether a stream has work noted.
    pub fn is_noted(&self) -> bool {
        !self.notes.streams.lock().is_empty()
    }

    /// Does the noted work. To be called without a lock; one thread does it, and calls of others make it repeat.
    pub fn settle(&self) {
        if !self.notes.any.load(Ordering::Acquire) || self.calls.fetch_add(1, Ordering::AcqRel) > 0
        {
            return;
        }
        let _settling = Settling(self);
        loop {
            let seen = self.calls.load(Ordering::Acquire);
            while self.notes.any.swap(false, Ordering::AcqRel) {
                self.work_off();
            }
            let done = self
                .calls
                .compare_exchange(seen, 0, Ordering::AcqRel, Ordering::Acquire);
            if done.is_ok() {
                return;
            }
        }
    }

    fn work_off(&self) {
        let noted = std::mem::take(&mut *self.notes.streams.lock());
        for number in noted {
            let found = {
                let open = self.open.lock();
                let found = open.by_number.get(&number);
                found.map(|open| (open.stream.clone(), open.client))
            };
            if let Some((stream, client)) = found {
                stream.stream_ready(client);
            }
        }
        if self.notes.session.load(Ordering::Acquire)
            && let Some(connection) = self.connection.upgrade()
        {
            // If it has used up its share of the turn, the reactor resumes it.
            connection.go_on_with_session(self.len());
        }
    }
}
