//! A command of `--run-before` that runs.

use std::time::Duration;

use super::supervisor::Signal;
use crate::sys::Pid;
use crate::sys::command::kill_group;
use crate::sys::signals::SignalNumber as Raw;

/// The running command.
#[derive(Debug)]
pub struct RunningCommand {
    pub step: u32,
    pub pid: Pid,
    pub began: Duration,
}

impl RunningCommand {
    /// With everything that it has started.
    pub fn signal(&self, signal: Signal) {
        self.deliver(match signal {
            Signal::Int => Raw::INT,
            Signal::Quit => Raw::QUIT,
            _ => Raw::TERM,
        });
    }

    pub fn kill(&self) {
        tracing::warn!(pid = self.pid.as_raw(), "killing the command");
        self.deliver(Raw::KILL);
    }

    fn deliver(&self, signal: Raw) {
        if let Err(error) = kill_group(self.pid, signal) {
            tracing::warn!(%error, "signal not delivered");
        }
    }
}
