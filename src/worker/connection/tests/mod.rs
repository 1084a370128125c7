//! Connections without sockets: a world in memory with a virtual clock, stories in it, and random histories with
//! invariants.

mod compression;
mod floods;
mod histories;
mod http2;
mod http2_client;
mod http2_flow;
mod reading;
mod slow_readers;
mod stories;
mod world;
