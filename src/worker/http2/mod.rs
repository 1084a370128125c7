//! HTTP/2 connections. Each stream is a connection of its own with one request, over a transport that is the stream:
//! requests, timeouts, responses and logs work the same for both protocols.
//!
//! A connection in `Mode::Http2` only moves bytes between its socket and a [`Session`](crate::http2::Session). No
//! lock of a stream is taken under that of the connection, nor the reverse: each leaves a note in [`Streams`] and the
//! work is done when the lock is released.

pub(super) mod deadlines;
pub(super) mod drive;
pub(super) mod opening;
pub(super) mod session;
mod streams;
pub(super) mod timeouts;

pub use streams::{ClientSide, StreamConnection, Streams};

use super::network::Network;
use crate::config::WebSockets;
use crate::http2::Http2Limits;

/// Limits for clients on connections of this worker.
fn limits(net: &Network) -> Http2Limits {
    let settings = &net.settings.http2;
    Http2Limits {
        concurrent_streams: settings.concurrent_streams,
        stream_window: settings.stream_window,
        frame_size: settings.frame_size,
        header_list_size: settings.header_list_size,
        websockets: net.settings.websocket.mode == WebSockets::Auto && net.app().takes_websockets(),
    }
}
