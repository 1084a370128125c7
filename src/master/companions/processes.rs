//! The processes of companions: pids, outputs, how often they were restarted.

use std::collections::BTreeMap;

use super::output::CompanionOutput;
use crate::master::child_signal::deliver;
use crate::master::supervisor::CompanionId;
use crate::sys::command::kill_group;
use crate::sys::signals::SignalNumber;
use crate::sys::{self, Document, Pid, clock};

/// Without `--beside` there are none.
#[derive(Debug, Default)]
pub struct CompanionProcesses {
    pub running: BTreeMap<CompanionId, Running>,
    /// How often each was started again because it had ended unasked.
    pub restarts: BTreeMap<String, u64>,
    /// A line for each of them, for the monitor. `None`: there is no monitor.
    pub shown: Option<Document>,
}

#[derive(Debug)]
pub struct Running {
    pub pid: Pid,
    pub name: String,
    pub command: String,
    /// In monotonic milliseconds.
    pub born_ms: u64,
    /// What it opens its log files again by.
    pub reopen: Option<SignalNumber>,
    pub output: CompanionOutput,
}

impl CompanionProcesses {
    /// For a monitor, what `metrics` are to say of them.
    pub fn show(&mut self) -> sys::Result<()> {
        self.shown = Some(Document::new(c"rgun-companions")?);
        Ok(())
    }

    pub fn shown_again(&self) -> Option<Document> {
        self.shown.as_ref().and_then(|shown| shown.again().ok())
    }

    pub fn get(&self, companion: CompanionId) -> Option<&Running> {
        self.running.get(&companion)
    }

    pub fn restarts_of(&self, name: &str) -> u64 {
        self.restarts.get(name).copied().unwrap_or(0)
    }

    pub fn outputs(&self) -> impl Iterator<Item = (CompanionId, &CompanionOutput)> {
        let running = self.running.iter();
        running.map(|(companion, running)| (*companion, &running.output))
    }

    /// After the log files of the server were moved away.
    pub fn reopen_logs(&self) {
        for running in self.running.values() {
            if let Some(signal) = running.reopen {
                deliver(running.pid, signal);
            }
        }
    }

    /// To the process alone: what it has started is its own to end.
    pub fn terminate(&self, companion: CompanionId) {
        if let Some(running) = self.get(companion) {
            deliver(running.pid, SignalNumber::TERM);
        }
    }

    pub fn kill(&self, companion: CompanionId) {
        if let Some(running) = self.get(companion)
            && let Err(error) = kill_group(running.pid, SignalNumber::KILL)
        {
            tracing::warn!(%error, "signal not delivered");
        }
    }

    /// Reads what it has printed.
    pub fn read(&mut self, companion: CompanionId) {
        if let Some(running) = self.running.get_mut(&companion) {
            running.output.hear(clock::monotonic());
        }
    }

    /// The master fails, and cannot wait for them.
    pub fn kill_all(&self) {
        for running in self.running.values() {
            drop(kill_group(running.pid, SignalNumber::KILL));
        }
    }
}
