//! What has to hold for any bytes, a file for each kind of bytes: `run` panics where it does not, `SEEDS` are good beginnings.

pub mod access_log;
pub mod files;
pub mod forwarded;
pub mod http;
pub mod http2;
pub mod ipc;
pub mod proxy_protocol;
pub mod response;
pub mod tls;
pub mod websocket;

/// Name, beginnings and function of each.
pub type Target = (&'static str, &'static [&'static [u8]], fn(&[u8]));

pub const ALL: &[Target] = &[
    ("access_log", access_log::SEEDS, access_log::run),
    ("files", files::SEEDS, files::run),
    ("forwarded", forwarded::SEEDS, forwarded::run),
    ("http", http::SEEDS, http::run),
    ("http2", http2::SEEDS, http2::run),
    ("ipc", ipc::SEEDS, ipc::run),
    ("proxy_protocol", proxy_protocol::SEEDS, proxy_protocol::run),
    ("response", response::SEEDS, response::run),
    ("tls", tls::SEEDS, tls::run),
    ("websocket", websocket::SEEDS, websocket::run),
];
