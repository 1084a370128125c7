//! The `http` module alone, from its sources: pure, so it needs neither Python nor the rest of the crate.

#[path = "../../src/http/mod.rs"]
pub mod http;
