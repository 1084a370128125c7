//! A client's socket with TLS in between, from its source, over a socket in memory.

use std::io;

#[allow(dead_code, reason = "the worker uses the rest")]
#[path = "../../src/worker/transport/tls.rs"]
pub mod tls;

/// As in `src/worker/transport/mod.rs`.
#[allow(dead_code, reason = "only TLS is fuzzed")]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Follows {
    More,
    Nothing,
}

pub fn would_block(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::WouldBlock
}
