//! The monitor as the master's child: started, replaced when the log has moved, ended.

use std::sync::Arc;

use super::helper_init::HelperInit;
use super::monitor_process::{ExitCause, MonitorProcess};
use super::names;
use super::shell::{End, LoopControl, Shell};
use super::supervisor::{Helper, HelperEnd};
use crate::ipc::{CAUSES, Queue, ServiceFacts};
use crate::monitor::MonitorInit;
use crate::observability;
use crate::sys::process::{Fork, fork};
use crate::sys::{Pid, clock, exit_now};

/// Maximum age of the reported accept queue lengths.
const QUEUES_EVERY_MS: u64 = 1_000;

impl Shell<'_> {
    pub(super) fn start_monitor(&mut self) -> LoopControl {
        if let Some(beat) = self.fleet.scoreboard.monitor_beat() {
            beat.clear();
        }
        self.host.before_fork();
        let master = Pid::this();
        match fork() {
            Ok(Fork::Child) => {
                observability::after_fork();
                LoopControl::End(End::Monitor(self.helper_init(master).map(Box::new)))
            }
            Ok(Fork::Parent { child: pid }) => {
                self.host.after_fork_parent();
                tracing::debug!(pid = pid.as_raw(), "monitor started");
                let exit = ExitCause::Own;
                self.helpers.monitor.running = Some(MonitorProcess { pid, exit });
                LoopControl::Go
            }
            Err(error) => {
                self.host.after_fork_parent();
                tracing::error!(%error, "monitor not started");
                self.helper_ended(Helper::Monitor, HelperEnd::Failed);
                LoopControl::Go
            }
        }
    }

    /// In the child: takes what the monitor needs before the rest is dropped.
    fn helper_init(&mut self, master: Pid) -> Option<HelperInit<MonitorInit>> {
        let addresses: Arc<[String]> = self.listening.addresses.clone();
        Some(HelperInit {
            post: MonitorInit {
                listeners: std::mem::take(&mut self.helpers.monitor.binds.listeners),
                lifeline: self.fleet.lifeline.read.take()?,
                board: self.fleet.scoreboard.board(),
                app: names::server(&self.generations.first),
                addresses,
                companions: self.helpers.companions.shown_again(),
                certificates: self
                    .listening
                    .certificates
                    .as_ref()
                    .and_then(|state| state.expiry().ok()),
            },
            identity: self.fleet.identity.clone(),
            master,
            title: names::monitor(&self.generations.first),
        })
    }

    /// Called once per turn: publishes the master's data for probes and metrics.
    pub(super) fn publish(&mut self) {
        if self.helpers.monitor.binds.listeners.is_empty() {
            return;
        }
        let now = clock::monotonic_ms();
        let monitor_helper = &mut self.helpers.monitor;
        if now.saturating_sub(monitor_helper.queues_at_ms) >= QUEUES_EVERY_MS {
            monitor_helper.queues_at_ms = now;
            monitor_helper.queues = [Queue::default(); ServiceFacts::QUEUES];
            let shown = (self.listening.listeners).queues(&self.listening.shown);
            for (queue, shown) in monitor_helper.queues.iter_mut().zip(shown) {
                if let Some((waiting, most)) = shown {
                    *queue = Queue { waiting, most };
                }
            }
        }
        monitor_helper.started |= self.supervisor.is_up();
        let (started, queues) = (monitor_helper.started, monitor_helper.queues);
        let mut restarts = [0; CAUSES.len()];
        for (count, cause) in restarts.iter_mut().zip(super::restart_counters::Cause::ALL) {
            *count = self.reporting.restart_counters.by_cause(cause);
        }
        self.fleet.scoreboard.publish(&ServiceFacts {
            beat_ms: now,
            pid: std::process::id().into(),
            target: self.supervisor.target().into(),
            generation: self.supervisor.generation().0.into(),
            started,
            reloads: self.reporting.restart_counters.reloads,
            reloads_failed: self.reporting.restart_counters.reloads_failed,
            restarts,
            monitor_restarts: self.reporting.restart_counters.monitor,
            queues,
            scaling: self.scaling_facts(),
        });
    }
}

/// Main function of the child.
pub fn serve(helper_init: Option<HelperInit<MonitorInit>>) -> ! {
    match helper_init {
        Some(helper_init) => helper_init.serve("rgun: monitor", crate::monitor::run),
        None => exit_now(1),
    }
}
