//! Signals from the master to its children.

use crate::sys::Pid;
use crate::sys::process::kill;
use crate::sys::signals::SignalNumber;

/// Signals a child that was not reaped yet, so that the pid cannot have been reused.
pub fn deliver(pid: Pid, signal: SignalNumber) {
    if let Err(error) = kill(pid, signal) {
        tracing::warn!(%error, "signal not delivered");
    }
}
