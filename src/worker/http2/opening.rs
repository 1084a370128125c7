//! Connections that begin with HTTP/2 without negotiation: by prior knowledge (RFC 9113 §3.3).

use std::sync::Arc;

use crate::config::Http2;
use crate::http2::{Preface, preface};
use crate::worker::connection::{Conn, ConnectionState, Opening};
use crate::worker::network::Network;

impl Network {
    /// The possible first bytes of a connection.
    pub(in crate::worker) fn first_bytes(&self) -> Opening {
        match self.settings.http2.mode {
            Http2::PriorKnowledge => Opening::Preface,
            Http2::Auto | Http2::Off => Opening::Over,
        }
    }
}

impl Conn {
    /// Checks the first bytes. False: the next step needs the socket.
    pub(in crate::worker) fn preface(self: &Arc<Self>, s: &mut ConnectionState) -> bool {
        let found = if s.http.buffered() == 0 {
            Preface::Undecided
        } else {
            preface(s.http.input())
        };
        match found {
            Preface::Undecided if !s.read_ended => return self.read_head(s),
            Preface::Undecided | Preface::Other => s.opening = Opening::Over,
            Preface::Http2 => self.start_http2(s),
        }
        true
    }
}
