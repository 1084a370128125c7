//! An HTTP/2 stream as a connection of its own.

use std::sync::Arc;

use bytes::BytesMut;
use parking_lot::Mutex;

use super::{Conn, ConnectionState};
use crate::http::{self, BodyPresence};
use crate::worker::transport::Transport;

impl Conn {
    /// The stream of that number, with the head of its request.
    pub(in crate::worker) fn stream(
        self: &Arc<Self>,
        number: u32,
        transport: Transport,
        content: BodyPresence,
        head: BytesMut,
    ) -> Arc<Self> {
        let policy = match self.origin.get() {
            Some(origin) => origin.policy(&self.net),
            None => self.net.policy.clone(),
        };
        let mut state = ConnectionState::new(transport, policy.clone(), self.net.now());
        state.http = http::Connection::of_stream(policy, content, head);
        Arc::new(Self {
            net: self.net.clone(),
            requests: self.requests.clone(),
            key: self.key.with_stream(number),
            peer: self.peer,
            origin: self.origin.clone(),
            listener: self.listener,
            slot: self.slot.clone(),
            tls: self.tls.clone(),
            streams: self.streams.clone(),
            state: Mutex::new(state),
        })
    }

    /// The streams of an HTTP/2 connection; a stream has none.
    pub(super) fn streams(&self) -> Vec<Arc<Self>> {
        match (self.key.stream(), self.streams.get()) {
            (None, Some(streams)) => streams.all(),
            _ => Vec::new(),
        }
    }

    /// The status of an accepted change of protocol: a stream has no 101 (RFC 8441 §5.1).
    pub(in crate::worker) fn status_of_switch(&self) -> u16 {
        if self.key.stream().is_some() {
            200
        } else {
            101
        }
    }

    /// The stream of that number.
    pub fn find_stream(&self, number: u32) -> Option<Arc<Self>> {
        self.streams.get()?.get(number)
    }
}
