//! WebSocket connections: from the handshake to the last frame. The frames themselves are in `crate::websocket`.
//!
//! A handshake is a request like any other until the app accepts it: it may get an HTTP response instead. From then
//! on the connection is in `Mode::WebSocket`, and messages are queued for the app up to a bound.

pub(super) mod closing;
pub(super) mod deadlines;
mod error;
mod frames;
pub(super) mod handshake;
mod outgoing;
mod socket;
mod state;
pub(super) mod timeouts;
pub(super) mod traffic;

pub use error::SocketError;
pub use handshake::protocols;
pub use socket::{WebSocketHandle, WebSocketReceived};
pub use state::{WebSocketEnd, Ws};
