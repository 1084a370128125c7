//! Connections that begin with HTTP/2 without negotiation: by prior knowledge (RFC 9113 §3.3).

use std::sync::Arc;

use super::session;
use crate::http2::{self, Preface};
use crate::worker::connection::{Conn, ConnectionState, Opening, reading};

/// Checks the first bytes. False: the next step needs the socket.
pub(in crate::worker) fn preface(conn: &Arc<Conn>, s: &mut ConnectionState) -> bool {
    let found = if s.http.buffered() == 0 {
        Preface::Undecided
    } else {
        http2::preface(s.http.input())
    };
    match found {
        Preface::Undecided if !s.read_ended => return reading::read_head(conn, s),
        Preface::Undecided | Preface::Other => s.opening = Opening::Over,
        Preface::Http2 => session::start(conn, s),
    }
    true
}
