//! One client connection: its socket, its HTTP state and the request in progress.
//!
//! Everything happens under one lock, held briefly: by the thread that turns the reactor, or by the app's own call of
//! `send` or `receive`, which writes and reads the socket in the same call.

pub(super) mod app_waits;
mod body;
mod byte_queue;
mod canary;
mod conn;
pub(super) mod deadlines;
pub(super) mod ending;
mod events;
pub(super) mod handed;
mod locked;
mod new_request;
mod origin;
pub(super) mod output;
mod pace;
mod pending_body;
mod plain_http;
mod previews;
mod proxy_header;
pub(super) mod reading;
pub(super) mod refusals;
mod share;
pub(super) mod spool;
mod state;
pub(super) mod steps;
mod stream;
#[cfg(test)]
mod tests;
mod timeouts;
pub(super) mod tls;
pub(super) mod transfer;

pub(super) use body::BodyState;
pub(super) use byte_queue::ByteQueue;
pub(super) use conn::{Conn, RequestSink};
pub(super) use output::ConnectionOutput;
pub(super) use pending_body::PendingBody;
pub(super) use state::{
    CloseKind, ConnectionMode, ConnectionState, HIGH_WATER, LOW_WATER, Opening,
};
