//! The master: one thread, one poll loop, no user code, no waiting inside a decision.

mod error;
mod seat;
pub mod supervisor;

pub use error::Error;
pub use seat::{Host, Outcome, Seat};

use std::sync::Arc;

use crate::config::Settings;

/// Runs the master until it ends, or until this process is a worker that has ended.
///
/// `reread` gives the configuration anew, or says why it cannot; it must be quick and must not change anything.
///
/// # Errors
/// When the master cannot start: nothing runs and nothing is left behind.
pub fn run(
    settings: Arc<Settings>,
    reread: &dyn Fn() -> Result<Settings, String>,
    host: &dyn Host,
) -> Result<Outcome, Error> {
    let _not_yet = (settings, reread, host);
    Ok(Outcome::Exit(1))
}
