//! The master: one thread, one poll loop, no user code, no waiting inside a decision.

pub mod supervisor;
