//! What trusted proxies say about the client. It believes nobody else.

use std::net::IpAddr;

use crate::config::{Settings, TrustedPeers};
use crate::http::{KnownName, RequestHead};

/// Which peers count, from `--forwarded-allow-ips`.
#[derive(Debug, Clone)]
pub struct Forwarded {
    trusted: TrustedPeers,
}

/// What is to replace the connection's own facts.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Seen {
    pub client: Option<String>,
    pub scheme: Option<&'static str>,
}

impl Forwarded {
    pub fn new(settings: &Settings) -> Self {
        Self {
            trusted: settings.forwarded_allow_ips.clone(),
        }
    }

    /// `peer`: `None` for unix peers, which are trusted as with gunicorn.
    pub fn seen(&self, peer: Option<IpAddr>, head: &RequestHead) -> Seen {
        let mut chain = None;
        let mut scheme = None;
        for field in head.headers() {
            match field.known {
                // Several fields are one list (RFC 9110 §5.3); the last one was added by the nearest proxy.
                Some(KnownName::XForwardedFor) => {
                    chain.get_or_insert_with(Vec::new).push(field.value)
                }
                Some(KnownName::XForwardedProto) => scheme = Some(field.value),
                _ => {}
            }
        }
        if chain.is_none() && scheme.is_none() || !peer.is_none_or(|peer| self.trusts(peer)) {
            return Seen::default();
        }
        Seen {
            client: chain.and_then(|chain| self.client(&chain)),
            scheme: scheme.and_then(scheme_of),
        }
    }

    /// The nearest address that is not one of our proxies; all of them ours: the farthest.
    fn client(&self, chain: &[&[u8]]) -> Option<String> {
        let mut found = None;
        for entry in chain
            .iter()
            .rev()
            .flat_map(|value| value.rsplit(|&b| b == b','))
        {
            let text = std::str::from_utf8(entry).ok()?.trim();
            let Some(address) = address(text) else { break };
            found = Some(address.to_string());
            if !self.trusts(address) {
                break;
            }
        }
        found
    }

    fn trusts(&self, peer: IpAddr) -> bool {
        match &self.trusted {
            TrustedPeers::All => true,
            TrustedPeers::Networks(networks) => networks
                .iter()
                .any(|&(network, length)| contains(network, length, peer)),
        }
    }
}

fn scheme_of(value: &[u8]) -> Option<&'static str> {
    let last = value
        .rsplit(|&b| b == b',')
        .next()
        .unwrap_or(value)
        .trim_ascii();
    if last.eq_ignore_ascii_case(b"https") {
        Some("https")
    } else if last.eq_ignore_ascii_case(b"http") {
        Some("http")
    } else {
        None
    }
}

/// `203.0.113.7`, `203.0.113.7:1234`, `2001:db8::1`, `[2001:db8::1]:1234`.
fn address(text: &str) -> Option<IpAddr> {
    if let Ok(address) = text.parse() {
        return Some(address);
    }
    if let Some(rest) = text.strip_prefix('[') {
        return rest.split_once(']')?.0.parse().ok();
    }
    text.rsplit_once(':')?.0.parse().ok()
}

fn contains(network: IpAddr, length: u8, peer: IpAddr) -> bool {
    match (network, peer.to_canonical()) {
        (IpAddr::V4(network), IpAddr::V4(peer)) => {
            let mask = u32::MAX
                .checked_shl(32 - u32::from(length.min(32)))
                .unwrap_or(0);
            u32::from(network) & mask == u32::from(peer) & mask
        }
        (IpAddr::V6(network), IpAddr::V6(peer)) => {
            let mask = u128::MAX
                .checked_shl(128 - u32::from(length.min(128)))
                .unwrap_or(0);
            u128::from(network) & mask == u128::from(peer) & mask
        }
        (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => false,
    }
}
