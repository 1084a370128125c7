//! The client of a connection, and what a proxy has reported of it.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use bytes::Buf;

use super::Conn;
use super::state::{CloseKind, ConnectionState};
use crate::config::ProxyProtocol;
use crate::http::{Policy, RequestHead};
use crate::proxy::{self, Disagreement, ForwardedRequest, Header, Malformed};
use crate::worker::network::Network;

/// The client of a connection.
#[derive(Debug, Clone)]
pub struct ConnectionOrigin {
    /// `None`: a unix peer.
    pub client: Option<SocketAddr>,
    /// The address that the client has connected to, where that is not ours: a PROXY header has named it.
    pub server: Option<Box<SocketAddr>>,
    /// Whether its forwarding headers are trusted.
    trust: Trust,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Trust {
    Trusted,
    Untrusted,
}

impl ConnectionOrigin {
    pub fn of_peer(net: &Network, peer: Option<SocketAddr>) -> Self {
        Self {
            client: peer,
            server: None,
            trust: trust(net, peer),
        }
    }

    /// The address in the header replaces the peer's, also where trust is concerned: a proxy that forwards bytes also
    /// forwards its client's header fields.
    fn of_header(net: &Network, peer: Option<SocketAddr>, header: Header) -> Self {
        match header {
            Header::Proxied { client, server } => Self {
                client: Some(client),
                server: Some(Box::new(server)),
                trust: trust(net, Some(client)),
            },
            Header::Local => Self::of_peer(net, peer),
            Header::Unknown => Self {
                trust: Trust::Untrusted,
                ..Self::of_peer(net, peer)
            },
        }
    }

    pub fn policy(&self, net: &Network) -> Arc<Policy> {
        match self.trust {
            Trust::Trusted => net.proxies_policy.clone(),
            Trust::Untrusted => net.policy.clone(),
        }
    }
}

fn trust(net: &Network, peer: Option<SocketAddr>) -> Trust {
    if net.forwarded.trusts(peer.map(|peer| peer.ip())) {
        Trust::Trusted
    } else {
        Trust::Untrusted
    }
}

impl Network {
    /// Whether a connection of that peer must begin with a PROXY header.
    pub(in crate::worker) fn sends_proxy_header(&self, peer: Option<SocketAddr>) -> bool {
        self.settings.proxy_protocol != ProxyProtocol::Off
            && peer.is_none_or(|peer| proxy::trusts(&self.settings.proxy_allow_from, peer.ip()))
    }
}

impl Conn {
    /// The client, as known from the connection; `None`: a unix peer.
    pub fn client(&self) -> Option<SocketAddr> {
        self.origin.get().and_then(|origin| origin.client)
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

    /// The address that the client has connected to, when a PROXY header has reported one.
    pub fn server(&self) -> Option<SocketAddr> {
        self.origin.get()?.server.as_deref().copied()
    }

    /// What the forwarding fields of a request contain, where they are trusted.
    pub(super) fn forwarded_request(
        &self,
        head: &RequestHead,
    ) -> Result<Option<Arc<ForwardedRequest>>, Disagreement> {
        let trusted = self
            .origin
            .get()
            .is_some_and(|origin| origin.trust == Trust::Trusted);
        if !trusted {
            return Ok(None);
        }
        Ok(self.net.forwarded.of_request(head)?.map(Arc::new))
    }

    /// Reads the header that precedes the first request. False: the next step needs the socket.
    pub(super) fn proxy_header(self: &Arc<Self>, s: &mut ConnectionState) -> bool {
        match proxy::parse(s.http.input(), self.net.settings.proxy_protocol) {
            Ok(Some((header, length))) => {
                s.http.input().advance(length);
                s.opening = self.net.first_bytes();
                let origin = ConnectionOrigin::of_header(&self.net, self.peer, header);
                s.http.set_policy(origin.policy(&self.net));
                // Set once: there is one header.
                self.origin.get_or_init(|| origin);
                // A proxy may connect, and send the header, before there is a request.
                s.clock.idle_since = self.net.now();
                self.start_tls(s);
                s.clock.head_since = (!s.http.is_idle()).then(|| self.net.now());
                true
            }
            Ok(None) if s.read_ended && s.http.is_idle() => {
                self.begin_close(s, CloseKind::Plain);
                true
            }
            Ok(None) if s.read_ended => {
                self.refuse_proxy_header(s, "connection ended inside the PROXY header");
                true
            }
            Ok(None) => self.read_head(s),
            Err(Malformed(reason)) => {
                self.refuse_proxy_header(s, reason);
                true
            }
        }
    }

    /// Nothing is sent: the peer may not be an HTTP client.
    pub(super) fn refuse_proxy_header(
        self: &Arc<Self>,
        s: &mut ConnectionState,
        reason: &'static str,
    ) {
        if self.net.log_throttle.admits(reason, self.net.now()) {
            let peer = self.shown_peer();
            tracing::warn!(peer, reason, "connection closed: no valid PROXY header");
        }
        self.begin_close(s, CloseKind::Plain);
    }
}
