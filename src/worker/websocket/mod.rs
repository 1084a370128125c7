//! WebSocket connections: from the handshake to the last frame. It does not know Python, and frames are `crate::websocket`'s.
//!
//! A handshake is a request like any other until the app accepts it: it may be answered over HTTP instead. From then on the
//! connection is in `Mode::WebSocket`, and what comes is queued for the app up to a bound.

mod handshake;
mod socket;
mod state;
mod times;
mod traffic;

pub use handshake::protocols;
pub use socket::{Incoming, Socket, SocketError};
pub use state::Ws;
