//! The client of a connection, and what a proxy has reported of it.

use std::net::SocketAddr;
use std::sync::Arc;

use crate::config::ProxyProtocol;
use crate::http::Policy;
use crate::proxy::{self, Header};
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
    pub fn of_header(net: &Network, peer: Option<SocketAddr>, header: Header) -> Self {
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

    pub fn is_trusted(&self) -> bool {
        self.trust == Trust::Trusted
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
