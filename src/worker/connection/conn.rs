//! What a connection is, whatever it does: its key, its client, where its requests go. What it does is in its state.

use std::any::Any;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, OnceLock};

use bytes::BytesMut;
use parking_lot::Mutex;

use super::origin::ConnectionOrigin;
use super::state::{ConnectionState, Opening};
use crate::http::{self, BodyPresence, RequestHead};
use crate::ipc::InFlightMark;
use crate::proxy::{Disagreement, ForwardedRequest, Scheme};
use crate::worker::http2::Streams;
use crate::worker::key::{ConnKey, RequestKey};
use crate::worker::network::Network;
use crate::worker::tls::TlsFacts;
use crate::worker::transport::Transport;

/// The upper side of a connection: takes its requests.
pub trait RequestSink: Send + Sync {
    /// The head of a request was received, and accepted. Called with the connection locked, on whatever thread made
    /// progress.
    fn begin(
        &self,
        conn: &Arc<Conn>,
        s: &mut ConnectionState,
        head: RequestHead,
        mark: InFlightMark,
        forwarded: Option<Arc<ForwardedRequest>>,
    );
}

pub struct Conn {
    pub net: Arc<Network>,
    /// In a box, so that it takes one word here: a connection fits into the allocator's cache.
    pub(super) requests: Arc<Box<dyn RequestSink>>,
    /// The worker's key for it.
    pub key: ConnKey,
    /// Address of the socket's peer; `None`: a unix peer.
    pub(super) peer: Option<SocketAddr>,
    /// The client behind the socket; not set until the PROXY header has arrived, where there is one.
    pub(super) origin: OnceLock<ConnectionOrigin>,
    /// See `listener()`.
    listener: Option<u32>,
    /// What the interface caches for all requests of this connection.
    pub slot: Arc<OnceLock<Box<dyn Any + Send + Sync>>>,
    /// What the handshake has agreed on; not set without TLS.
    pub(super) tls: OnceLock<Arc<TlsFacts>>,
    /// Of an HTTP/2 connection; a stream uses those of its connection.
    pub(in crate::worker) streams: OnceLock<Arc<Streams<Self>>>,
    /// See `lock()`.
    pub(super) state: Mutex<ConnectionState>,
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
            state.opening = Opening::of_http(net.settings.http2.mode);
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

    /// The HTTP/2 stream of that number, a connection of its own, with the head of its request.
    pub(in crate::worker) fn stream(
        &self,
        number: u32,
        transport: Transport,
        content: BodyPresence,
        head: BytesMut,
    ) -> Arc<Self> {
        let policy = match self.origin.get() {
            Some(origin) => origin.policy(&self.net),
            None => self.net.policy.clone(),
        };
        let mut state = ConnectionState::new(transport, policy.clone(), self.net.now());
        state.http = http::Connection::of_stream(policy, content, head);
        Arc::new(Self {
            net: self.net.clone(),
            requests: self.requests.clone(),
            key: self.key.with_stream(number),
            peer: self.peer,
            origin: self.origin.clone(),
            listener: self.listener,
            slot: self.slot.clone(),
            tls: self.tls.clone(),
            streams: self.streams.clone(),
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

    /// The client, as known from the connection; `None`: a unix peer.
    pub fn client(&self) -> Option<SocketAddr> {
        self.origin.get().and_then(|origin| origin.client)
    }

    /// The address that the client has connected to, when a PROXY header has reported one.
    pub fn server(&self) -> Option<SocketAddr> {
        self.origin.get()?.server.as_deref().copied()
    }

    /// Address of the socket's peer, for the log.
    pub(in crate::worker) fn shown_peer(&self) -> String {
        self.peer
            .map_or_else(|| "unix".to_owned(), |peer| peer.to_string())
    }

    /// The same address as the app sees.
    pub(in crate::worker) fn logged_client(&self) -> Option<IpAddr> {
        self.client().map(|client| client.ip().to_canonical())
    }

    /// What the forwarding fields of a request contain, where they are trusted.
    pub(super) fn forwarded_request(
        &self,
        head: &RequestHead,
    ) -> Result<Option<Arc<ForwardedRequest>>, Disagreement> {
        if !(self.origin.get()).is_some_and(ConnectionOrigin::is_trusted) {
            return Ok(None);
        }
        Ok(self.net.forwarded.of_request(head)?.map(Arc::new))
    }

    /// The status of an accepted change of protocol: a stream has no 101 (RFC 8441 §5.1).
    pub(in crate::worker) fn status_of_switch(&self) -> u16 {
        if self.key.stream().is_some() {
            200
        } else {
            101
        }
    }

    /// The streams of an HTTP/2 connection; a stream has none.
    pub(super) fn streams(&self) -> Vec<Arc<Self>> {
        match (self.key.stream(), self.streams.get()) {
            (None, Some(streams)) => streams.all(),
            _ => Vec::new(),
        }
    }

    /// The stream of that number.
    pub fn find_stream(&self, number: u32) -> Option<Arc<Self>> {
        self.streams.get()?.get(number)
    }

    /// The reactor resumes it, after the others that have work.
    pub(in crate::worker) fn wait_for_a_turn(&self, s: &mut ConnectionState) {
        if s.share.wait() {
            self.net.go_on_with(self.key);
        }
    }
}
