//! The floor over the operating system: the only raw libc, the only fork. It does not know what a worker is.

pub mod clock;
pub mod epoll;
mod error;
mod listener;
mod memory;
mod packets;
mod pid;
mod poll;
pub mod stream;

pub use error::{Error, Result};
pub use listener::{Listener, ListenerAddress};
pub use memory::shared_words;
pub use packets::{Packet, Sent, packet_pair, receive_packet, send_packet};
pub use pid::Pid;
pub use poll::{wait_readable, wait_writable};
