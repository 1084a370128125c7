//! A client's frames, and what a server's connection makes of them.

use rgun::websocket::{MessageKind, WebSocketConnection, WebSocketEvent};

/// One thing that happened, as plain data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Seen {
    Message(MessageKind, Vec<u8>),
    Ping(Vec<u8>),
    Pong,
    Close(Option<u16>, String),
    Failed(u16),
}

/// Feeds the pieces one after the other; everything that was seen.
pub fn converse<'p>(
    connection: &mut WebSocketConnection,
    pieces: impl IntoIterator<Item = &'p [u8]>,
) -> Vec<Seen> {
    let mut seen = Vec::new();
    for piece in pieces {
        connection.input().extend_from_slice(piece);
        loop {
            seen.push(match connection.poll_event() {
                WebSocketEvent::NeedInput => break,
                WebSocketEvent::InProgress => continue,
                WebSocketEvent::Ended => return seen,
                WebSocketEvent::Message(message) => {
                    Seen::Message(message.kind, message.data.to_vec())
                }
                WebSocketEvent::Ping(payload) => Seen::Ping(payload.to_vec()),
                WebSocketEvent::Pong => Seen::Pong,
                WebSocketEvent::Close(close) => Seen::Close(close.code, close.reason),
                WebSocketEvent::Failed(failure) => Seen::Failed(failure.code()),
            });
        }
    }
    seen
}

pub const FIN: u8 = 0x80;
pub const RSV1: u8 = 0x40;

/// A masked frame in its shortest form.
pub fn frame(first: u8, mask: [u8; 4], payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![first];
    match payload.len() {
        len @ 0..=125 => bytes.push(0x80 | len as u8),
        len @ 126..=0xffff => {
            bytes.push(0x80 + 126);
            bytes.extend_from_slice(&(len as u16).to_be_bytes());
        }
        len => {
            bytes.push(0x80 + 127);
            bytes.extend_from_slice(&(len as u64).to_be_bytes());
        }
    }
    bytes.extend_from_slice(&mask);
    bytes.extend(
        payload
            .iter()
            .enumerate()
            .map(|(at, byte)| byte ^ mask[at % 4]),
    );
    bytes
}
