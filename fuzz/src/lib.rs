//! The modules that touch bytes of others, alone, from their sources: they need neither Python nor the rest of the crate. And
//! what has to hold for any bytes (`targets`), for libFuzzer's binaries and for the crate's own test.

extern crate self as rgun;

#[path = "../../src/http/mod.rs"]
pub mod http;

#[path = "../../src/files/mod.rs"]
pub mod files;

#[path = "../../src/websocket/mod.rs"]
pub mod websocket;

pub mod config;

#[path = "../../src/proxy/mod.rs"]
pub mod proxy;

pub mod ipc;
pub mod observability;

/// What the access log asks of the system.
mod sys {
    pub const ATOMIC: usize = 4096;
}

#[path = "../../tests/http/alike.rs"]
mod alike;
#[allow(dead_code, reason = "shared with the tests")]
#[path = "../../tests/http/reader.rs"]
mod reader;
#[allow(dead_code, reason = "shared with the tests")]
#[path = "../../tests/http/support.rs"]
mod support;

pub mod targets;
