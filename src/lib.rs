//! rgun: a pre-fork process manager and ASGI/WSGI server.
//!
//! The layers, top to bottom; arrows never point up (checked by `tests/layering.rs`):
//! `cli` → `master`, `monitor`, `worker` → `master::supervisor`, `ipc`, `http`, `files`, `compress` → `config`, `observability` → `sys`.

pub mod cli;
pub mod compress;
pub mod config;
pub mod doctor;
pub mod embedded;
pub mod files;
pub mod hosted;
pub mod http;
mod http2;
pub mod init;
pub mod ipc;
pub mod master;
pub mod monitor;
pub mod observability;
pub mod proxy;
pub mod sys;
pub mod tls;
pub mod watcher;
pub mod websocket;
pub mod worker;
