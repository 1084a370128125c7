//! The modules that touch bytes of others, alone, from their sources: they need neither Python nor the rest of the crate. And
//! what has to hold for any bytes (`targets`), for libFuzzer's binaries and for the crate's own test.

extern crate self as rgun;

#[path = "../../src/http/mod.rs"]
pub mod http;

#[allow(dead_code, reason = "the worker uses the rest")]
#[allow(clippy::should_implement_trait, reason = "not public in the crate")]
#[path = "../../src/http2/mod.rs"]
pub mod http2;

#[path = "../../src/files/mod.rs"]
pub mod files;

#[path = "../../src/websocket/mod.rs"]
pub mod websocket;

pub mod config;

#[path = "../../src/proxy/mod.rs"]
pub mod proxy;

pub mod ipc;
pub mod observability;

pub mod transport;

/// What the access log and TLS ask of the system.
mod sys {
    pub const ATOMIC: usize = 4096;

    pub mod stream;
}

/// What TLS needs of the crate's own; certificates are not chosen here.
mod tls {
    use std::sync::Arc;

    use rustls::sign::CertifiedKey;

    pub fn chosen_certificate() -> Option<Arc<CertifiedKey>> {
        None
    }
}

mod worker {
    pub mod tls {
        #[allow(dead_code, reason = "only the worker reports it")]
        pub struct TlsFacts {
            pub version: u16,
            pub cipher_suite: u16,
            pub server_name: Option<String>,
            pub server_certificate: Option<Vec<u8>>,
            pub client_chain: Vec<Vec<u8>>,
            pub is_resumed: bool,
        }
    }
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
