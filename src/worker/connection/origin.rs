//! Who speaks on a connection, and what of that a proxy has told. It does not read the socket.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use bytes::Buf;

use super::Conn;
use super::state::{Goodbye, State};
use crate::config::ProxyProtocol;
use crate::http::{Policy, RequestHead};
use crate::proxy::{self, Disagreement, Header, Malformed, Told};
use crate::worker::network::Network;

/// Who speaks on a connection.
#[derive(Debug, Clone, Copy)]
pub struct Origin {
    /// `None`: a unix peer.
    pub client: Option<SocketAddr>,
    /// Where the client has connected to, when that was not here.
    pub server: Option<SocketAddr>,
    /// Whether its forwarding headers count.
    trust: Trust,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Trust {
    Trusted,
    Untrusted,
}

impl Origin {
    pub fn of_peer(net: &Network, peer: Option<SocketAddr>) -> Self {
        Self {
            client: peer,
            server: None,
            trust: trust(net, peer),
        }
    }

    /// The address in the header takes the peer's place, also where trust is concerned: a proxy that passes bytes on passes
    /// on its client's header fields too.
    fn of_header(net: &Network, peer: Option<SocketAddr>, header: Header) -> Self {
        match header {
            Header::Proxied { client, server } => Self {
                client: Some(client),
                server: Some(server),
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
    /// Whether a connection of that peer begins with a PROXY header.
    pub(in crate::worker) fn sends_proxy_header(&self, peer: Option<SocketAddr>) -> bool {
        self.settings.proxy_protocol != ProxyProtocol::Off
            && peer.is_none_or(|peer| proxy::trusts(&self.settings.proxy_allow_from, peer.ip()))
    }
}

impl Conn {
    /// The client as far as the connection tells; `None`: a unix peer.
    pub fn client(&self) -> Option<SocketAddr> {
        self.origin.get().and_then(|origin| origin.client)
    }

    /// The other end of the socket, for the log.
    pub(in crate::worker) fn shown_peer(&self) -> String {
        self.peer
            .map_or_else(|| "unix".to_owned(), |peer| peer.to_string())
    }

    /// The same address as the app sees.
    pub(in crate::worker) fn logged_client(&self) -> Option<IpAddr> {
        self.client().map(|client| client.ip().to_canonical())
    }

    /// Where the client has connected to, when a PROXY header has told.
    pub fn server(&self) -> Option<SocketAddr> {
        self.origin.get().and_then(|origin| origin.server)
    }

    /// What the fields of a request say, where they count.
    pub(super) fn told(&self, head: &RequestHead) -> Result<Option<Arc<Told>>, Disagreement> {
        let trusted = self
            .origin
            .get()
            .is_some_and(|origin| origin.trust == Trust::Trusted);
        if !trusted {
            return Ok(None);
        }
        Ok(self.net.forwarded.told(head)?.map(Arc::new))
    }

    /// Takes the header that comes before the first request. False: the next step needs the socket.
    pub(super) fn proxy_header(self: &Arc<Self>, s: &mut State) -> bool {
        match proxy::parse(s.http.input(), self.net.settings.proxy_protocol) {
            Ok(Some((header, length))) => {
                s.http.input().advance(length);
                s.opening = self.net.first_bytes();
                let origin = Origin::of_header(&self.net, self.peer, header);
                s.http.set_policy(origin.policy(&self.net));
                // Set once: there is one header.
                self.origin.get_or_init(|| origin);
                // A proxy may connect, and say for whom, before there is a request.
                s.clock.idle_since = self.net.now();
                self.start_tls(s);
                s.clock.head_since = (!s.http.is_idle()).then(|| self.net.now());
                true
            }
            Ok(None) if s.read_ended && s.http.is_idle() => {
                self.say_goodbye(s, Goodbye::Plain);
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

    /// Nothing is answered: what speaks here may not be a client of HTTP.
    pub(super) fn refuse_proxy_header(self: &Arc<Self>, s: &mut State, reason: &'static str) {
        if self.net.complaints.admits(reason, self.net.now()) {
            let peer = self.shown_peer();
            tracing::warn!(peer, reason, "connection closed: no valid PROXY header");
        }
        self.say_goodbye(s, Goodbye::Plain);
    }
}
