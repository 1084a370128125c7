//! What the user asked for, complete and validated; plain data that every layer may read. It does not bind, fork or know clap.

mod settings;

pub use settings::*;
