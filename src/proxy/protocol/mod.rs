//! The PROXY protocol (HAProxy's `proxy-protocol.txt`): what a proxy sends before the first byte of its client.
//! Type-length-value fields are skipped.

mod v1;
mod v2;

use std::net::SocketAddr;

use crate::config::ProxyProtocol;

/// A proxy's description of the connection that it passes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Header {
    /// Both ends as the proxy saw them.
    Proxied {
        client: SocketAddr,
        server: SocketAddr,
    },
    /// A connection of the proxy itself: a health check.
    Local,
    /// The client is unknown to the proxy, or has a kind of address that is not supported.
    Unknown,
}

/// Why it is malformed; constant, for the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Malformed(pub &'static str);

/// The header that begins `input`, with its length. `None`: more bytes are needed. A malformed one is reported at the first
/// wrong byte.
pub fn parse(input: &[u8], accepts: ProxyProtocol) -> Result<Option<(Header, usize)>, Malformed> {
    let Some(&first) = input.first() else {
        return Ok(None);
    };
    match accepts {
        ProxyProtocol::V1 => v1::parse(input),
        ProxyProtocol::V2 => v2::parse(input),
        ProxyProtocol::Auto if first == v2::SIGNATURE[0] => v2::parse(input),
        ProxyProtocol::Auto => v1::parse(input),
        ProxyProtocol::Off => Err(Malformed("not expected")),
    }
}

#[cfg(test)]
mod tests;
