//! The pure modules alone, from their sources: they need neither Python nor the rest of the crate.

#[path = "../../src/http/mod.rs"]
pub mod http;

#[path = "../../src/websocket/mod.rs"]
pub mod websocket;
