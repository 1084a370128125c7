//! Forks of the master: what its host and its log do before and after.

use super::host::Host;
use crate::observability;
use crate::sys;
use crate::sys::process::{self, Fork};
use crate::sys::signals::start_as_child;

/// # Errors
/// As `sys::process::fork`.
pub fn fork(host: &dyn Host) -> sys::Result<Fork> {
    host.before_fork();
    let forked = process::fork();
    match &forked {
        Ok(Fork::Child) => observability::after_fork(),
        Ok(Fork::Parent { .. }) | Err(_) => host.after_fork_parent(),
    }
    forked
}

/// The first steps of a child that will run the app, or fork processes that do.
///
/// # Errors
/// Signals cannot be handled.
pub fn begin_child(host: &dyn Host) -> sys::Result<()> {
    let started = start_as_child();
    sys::restore_descriptor_limit();
    host.after_fork_child();
    started
}
