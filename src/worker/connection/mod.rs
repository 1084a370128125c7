//! One client connection: its socket, its HTTP state and the request in progress.
//!
//! Everything happens under one lock, held briefly: by the thread that turns the reactor, or by the app's own call of
//! `send` or `receive`, which writes and reads the socket in the same call.

mod advance;
mod body;
mod byte_queue;
mod canary;
mod handed;
mod locked;
mod origin;
mod output;
mod pace;
mod pending_body;
mod plain_http;
mod previews;
mod request_sink;
mod share;
pub(super) mod spool;
mod state;
mod stream;
mod stream_of;
#[cfg(test)]
mod tests;
mod timeouts;
mod tls;
mod transfer;

use std::any::Any;
use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};

use parking_lot::Mutex;

use super::http2::Streams;
use super::key::{ConnKey, RequestKey};
use super::network::Network;
use super::tls::TlsFacts;
use super::transport::Transport;
use crate::proxy::Scheme;
use crate::sys::epoll::{Epoll, Readiness};
pub(super) use body::BodyState;
pub(super) use byte_queue::ByteQueue;
pub(super) use origin::ConnectionOrigin;
pub(super) use output::ConnectionOutput;
pub(super) use pending_body::PendingBody;
pub(super) use request_sink::RequestSink;
pub(super) use state::{
    CloseKind, ConnectionMode, ConnectionState, HIGH_WATER, LOW_WATER, Opening,
};

/// Milliseconds that a closed connection waits for the client's FIN when its descriptor is needed: enough for the
/// bytes that are on the wire.
const SHORT_LINGER: u64 = 50;

pub struct Conn {
    pub net: Arc<Network>,
    /// In a box, so that it takes one word here: a connection fits into the allocator's cache.
    requests: Arc<Box<dyn RequestSink>>,
    /// The worker's key for it.
    pub key: ConnKey,
    /// Address of the socket's peer; `None`: a unix peer.
    peer: Option<SocketAddr>,
    /// The client behind the socket; not set until the PROXY header has arrived, where there is one.
    origin: OnceLock<ConnectionOrigin>,
    /// See `listener()`.
    listener: Option<u32>,
    /// What the interface caches for all requests of this connection.
    pub slot: Arc<OnceLock<Box<dyn Any + Send + Sync>>>,
    /// What the handshake has agreed on; not set without TLS.
    tls: OnceLock<Arc<TlsFacts>>,
    /// Of an HTTP/2 connection; a stream uses those of its connection.
    pub(in crate::worker) streams: OnceLock<Arc<Streams<Self>>>,
    state: Mutex<ConnectionState>,
}

impl Conn {
    pub fn new(
        net: &Arc<Network>,
        requests: &Arc<Box<dyn RequestSink>>,
        key: ConnKey,
        transport: Transport,
        peer: Option<SocketAddr>,
        listener: Option<usize>,
    ) -> Arc<Self> {
        net.connection_opened();
        let mut state = ConnectionState::new(transport, net.policy.clone(), net.now());
        let origin = OnceLock::new();
        if listener.is_some() && net.sends_proxy_header(peer) {
            state.opening = Opening::ProxyHeader;
        } else {
            let of_peer = ConnectionOrigin::of_peer(net, peer);
            state.opening = net.first_bytes();
            state.http.set_policy(of_peer.policy(net));
            origin.get_or_init(|| of_peer);
        }
        Arc::new(Self {
            net: net.clone(),
            requests: requests.clone(),
            key,
            peer,
            origin,
            listener: listener.and_then(|index| u32::try_from(index).ok()),
            slot: Arc::default(),
            tls: OnceLock::new(),
            streams: OnceLock::new(),
            state: Mutex::new(state),
        })
    }

    /// Key of the request in progress, or of the last one.
    pub(super) fn request_key(&self, s: &ConnectionState) -> RequestKey {
        RequestKey {
            conn: self.key,
            stream: s.stream.number,
        }
    }

    /// Index into the worker's listeners; `None`: the worker's own probe.
    pub fn listener(&self) -> Option<usize> {
        self.listener.and_then(|index| usize::try_from(index).ok())
    }

    /// `None`: plain HTTP.
    pub fn tls(&self) -> Option<&TlsFacts> {
        self.tls.get().map(AsRef::as_ref)
    }

    /// The scheme of its requests, before a proxy's fields are considered.
    pub fn scheme(&self) -> Scheme {
        match self.tls() {
            Some(_) => Scheme::Https,
            None => Scheme::Http,
        }
    }

    /// Bytes that the worker before it has read. Called before `look`.
    pub fn begin_with(&self, received: &[u8]) {
        self.lock().http.receive(received);
    }

    /// Reads the first request, which has usually arrived already. True: it had, and has begun (or was refused).
    pub fn look(self: &Arc<Self>) -> bool {
        let s = &mut *self.lock();
        if self.net.drain.stage() != super::drain::DrainStage::Serving {
            s.close_after_answer();
        }
        self.advance(s);
        s.mode != ConnectionMode::Head
    }

    /// Registers its socket with the reactor, if it is still open.
    pub fn watch(self: &Arc<Self>, epoll: &Epoll) {
        let s = &mut *self.lock();
        if let Err(error) = s.transport.register(epoll, self.key.token()) {
            tracing::error!(%error, "connection cannot be watched");
            self.shut(s);
        }
    }

    /// Handles readiness events of the socket.
    pub fn ready(self: &Arc<Self>, ready: Readiness) {
        let s = &mut *self.lock();
        s.transport.ready(ready);
        if ready.closed && !matches!(s.mode, ConnectionMode::Head | ConnectionMode::Closed) {
            // Nothing that we write can arrive any more; bytes received before are still read below.
            s.write_closed = true;
        }
        if ready.writable {
            self.flush(s);
        }
        self.advance(s);
    }

    /// The worker drains: the next response is the last one.
    pub fn drain(self: &Arc<Self>) {
        for stream in self.streams() {
            stream.drain();
        }
        let s = &mut *self.lock();
        s.close_after_answer();
        self.leave_http2(s);
        self.advance(s);
    }

    /// Since when it has been idle; `None`: something is in progress.
    pub fn idle_since(&self) -> Option<u64> {
        let s = self.lock();
        match s.mode {
            ConnectionMode::Head => {
                (s.http.is_idle() && !s.is_unsent()).then_some(s.clock.inactive_since())
            }
            ConnectionMode::Http2 => self.http2_idle_since(&s),
            _ => None,
        }
    }

    /// Closes it if it is still idle.
    pub fn close_idle(self: &Arc<Self>) {
        if self.idle_since().is_some() {
            let s = &mut *self.lock();
            if s.mode == ConnectionMode::Http2 {
                self.close_http2(s, h2::Reason::NO_ERROR);
                return;
            }
            self.begin_close(s, CloseKind::Lingering);
            self.advance(s);
        }
    }

    /// Descriptors have run out: shortens the wait for the client's FIN where nothing else is pending.
    pub fn hurry(self: &Arc<Self>, now: u64) {
        let s = &mut *self.lock();
        if s.mode == ConnectionMode::Linger
            && now.saturating_sub(s.clock.ending_since) >= SHORT_LINGER
        {
            self.shut(s);
        }
    }

    /// Closes it now, whatever is in progress.
    pub fn close(self: &Arc<Self>) {
        for stream in self.streams() {
            stream.close();
        }
        let s = &mut *self.lock();
        if matches!(s.mode, ConnectionMode::Exchange) {
            self.cut(s);
        }
        self.close_handed_over(s);
        self.leave_websocket(s);
        if s.mode == ConnectionMode::Http2 {
            self.close_http2(s, h2::Reason::NO_ERROR);
        }
        self.shut(s);
    }

    /// Closes the connection and notifies the reactor.
    fn shut(self: &Arc<Self>, s: &mut ConnectionState) {
        if s.mode == ConnectionMode::Closed {
            return;
        }
        self.end_exchange(s);
        self.wake_waiters(s);
        s.mode = ConnectionMode::Closed;
        s.out.clear();
        s.pending = None;
        s.stream.body.clear();
        s.transport.close();
        s.http2 = None;
        let is_over = match (self.key.stream(), self.streams.get()) {
            (Some(number), Some(streams)) => streams.remove(number, self.net.now()),
            (None, Some(streams)) => streams.orphan(),
            (_, None) => true,
        };
        if is_over {
            self.net.connection_closed(self.key.connection());
        }
    }
}
