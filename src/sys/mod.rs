//! The floor over the operating system: the only raw libc, the only fork. It does not know what a worker is.

pub mod epoll;
pub mod stream;
