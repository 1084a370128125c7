//! WebSocket (RFC 6455) with permessage-deflate (RFC 7692) as a pure state machine: bytes in, events out. No socket
//! and no clock; of HTTP only the values of the handshake's fields.
//!
//! The owner reads into [`WebSocketConnection::input`], polls [`WebSocketConnection::poll_event`] and writes what [`WebSocketConnection::message`]
//! (of a large message [`WebSocketConnection::poll_outgoing`]) and the functions of [`Frame`] return. The server's side only.

mod close;
mod codecs;
mod connection;
mod deflate;
mod failure;
mod frame;
mod handshake;
mod huffman;
mod inflation;
mod mask;
mod message;
mod next_streams;
mod outgoing;
mod utf8;

pub use close::{Close, GOING_AWAY, INTERNAL_ERROR, NORMAL, SERVICE_RESTART, may_be_sent};
pub use codecs::Codecs;
pub use connection::{OutgoingStep, WebSocketConnection, WebSocketEvent};
pub use deflate::Deflate;
pub use failure::WebSocketFailure;
pub use frame::{Frame, FrameHead};
pub use handshake::accept_key;
pub use message::{Message, MessageKind};
