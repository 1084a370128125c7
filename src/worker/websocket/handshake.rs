//! The opening handshake (RFC 6455 §4.2), from the request to the 101.

use super::error::SocketError;
use super::state::{Handshake, WebSocketPhase, Ws};
use crate::config::{Compression, WebSockets};
use crate::http::{self, KnownName, Refusal, RequestHead, Upgrade};
use crate::websocket::{Deflate, WebSocketConnection, accept_key};
use crate::worker::connection::{Conn, ConnectionMode, ConnectionOutput, ConnectionState};
use crate::worker::network::{Network, millis};

impl Network {
    /// Whether this request can become a WebSocket connection, if it is valid and the app accepts.
    pub fn is_handshake(&self, head: &RequestHead) -> bool {
        head.upgrade() == Upgrade::WebSocket
            && self.settings.websocket.mode == WebSockets::Auto
            && self.app().takes_websockets()
    }
}

/// Validates the handshake and returns what the client asks for.
fn examine(net: &Network, head: &RequestHead) -> Result<Handshake, Refusal> {
    let values = |name| {
        head.headers()
            .filter(move |field| field.known == Some(name))
            .map(|field| field.value)
    };
    let mut versions = values(KnownName::SecWebSocketVersion);
    if versions.next() != Some(b"13") || versions.next().is_some() {
        return Err(Refusal::WebSocketVersion);
    }
    let mut keys = values(KnownName::SecWebSocketKey);
    let accept = keys
        .next()
        .and_then(accept_key)
        .filter(|_| keys.next().is_none())
        .ok_or(Refusal::BadWebSocketKey)?;
    let deflate = match net.settings.websocket.compression {
        Compression::On => Deflate::negotiate(values(KnownName::SecWebSocketExtensions)),
        Compression::Off => None,
    };
    Ok(Handshake {
        accept,
        deflate,
        protocols: protocols(head).map(Box::from).collect(),
    })
}

/// The subprotocols that the client offers, in its order.
pub fn protocols(head: &RequestHead) -> impl Iterator<Item = &[u8]> {
    head.headers()
        .filter(|field| field.known == Some(KnownName::SecWebSocketProtocol))
        .flat_map(|field| field.value.split(|byte| *byte == b','))
        .map(<[u8]>::trim_ascii)
        .filter(|name| !name.is_empty())
}

/// Keeps what accepting will need.
pub(in crate::worker) fn open(net: &Network, head: &RequestHead) -> Result<Box<Ws>, Refusal> {
    Ok(Box::new(Ws::new(examine(net, head)?)))
}

/// Responds with 101: from here on there are frames. The caller goes on with the connection.
pub(super) fn accept<'h>(
    conn: &Conn,
    s: &mut ConnectionState,
    protocol: Option<&'h [u8]>,
    headers: impl IntoIterator<Item = (&'h [u8], &'h [u8])>,
) -> Result<(), SocketError> {
    let Some(ws) = &mut s.ws else {
        return Err(SocketError::Gone);
    };
    let WebSocketPhase::Handshake(handshake) = &ws.phase else {
        return Err(SocketError::Order("websocket.accept was sent already"));
    };
    if let Some(protocol) = protocol
        && !handshake.protocols.iter().any(|offer| **offer == *protocol)
    {
        return Err(SocketError::Value(format!(
            "subprotocol \"{}\" was not offered by the client",
            protocol.escape_ascii()
        )));
    }
    let extensions = handshake.deflate.map(|deflate| deflate.to_string());
    let ours = [
        Some((&b"sec-websocket-accept"[..], &handshake.accept[..])),
        protocol.map(|protocol| (&b"sec-websocket-protocol"[..], protocol)),
        extensions
            .as_ref()
            .map(|value| (&b"sec-websocket-extensions"[..], value.as_bytes())),
    ];
    {
        let date = conn.net.clock.date();
        #[expect(clippy::map_identity, reason = "so that both have one lifetime")]
        let headers = headers.into_iter().map(|(name, value)| (name, value));
        let fields = ours.into_iter().flatten().chain(headers);
        let answer = s.http.switch_protocols(fields, &date.1)?;
        ConnectionOutput::of(&mut s.transport, &mut s.out, &mut s.write_closed)
            .write([answer, b"", b""]);
    }
    let settings = &conn.net.settings.websocket;
    let deflate = handshake
        .deflate
        .map(|agreed| (agreed, conn.net.codecs.clone()));
    let fresh = http::Connection::new(conn.net.policy.clone());
    let read = std::mem::replace(&mut s.http, fresh).into_upgraded();
    ws.frames = Some(WebSocketConnection::new(&read, settings.max_size, deflate));
    ws.phase = WebSocketPhase::Open;
    ws.connect_told = true;
    ws.next_ping = settings
        .ping_interval
        .map_or(u64::MAX, |interval| conn.net.now() + millis(interval));
    let (ledger, status) = (&conn.net.ledger, conn.status_of_switch());
    ws.upgraded = s
        .stream
        .entry
        .take()
        .map(|entry| ledger.upgrade(entry, status));
    s.mode = ConnectionMode::WebSocket;
    s.clock.write_progress = conn.net.now();
    Ok(())
}
