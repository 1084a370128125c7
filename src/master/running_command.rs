//! A command of `--run-before` that runs.

use std::time::Duration;

use crate::sys::Pid;

/// The running command.
#[derive(Debug)]
pub struct RunningCommand {
    pub step: u32,
    pub pid: Pid,
    pub began: Duration,
}
