//! The monitor as the master's child: started, replaced when the log has moved, ended.

use std::sync::Arc;

use super::fork::fork;
use super::helper_init::HelperInit;
use super::loop_control::{End, LoopControl};
use super::monitor_process::{ExitCause, MonitorProcess};
use super::shell::Shell;
use super::supervisor::{Event, Helper, HelperEnd};
use super::{names, sampling};
use crate::ipc::{CAUSES, Queue, ServiceFacts};
use crate::monitor::MonitorInit;
use crate::sys::process::Fork;
use crate::sys::{Pid, clock, exit_now};

/// Maximum age of the reported accept queue lengths.
const QUEUES_EVERY_MS: u64 = 1_000;

pub fn start(shell: &mut Shell<'_>) -> LoopControl {
    if let Some(beat) = shell.fleet.scoreboard.monitor_beat() {
        beat.clear();
    }
    let master = Pid::this();
    match fork(shell.host) {
        Ok(Fork::Child) => LoopControl::End(End::Monitor(helper_init(shell, master).map(Box::new))),
        Ok(Fork::Parent { child: pid }) => {
            tracing::debug!(pid = pid.as_raw(), "monitor started");
            let exit = ExitCause::Own;
            shell.helpers.monitor.running = Some(MonitorProcess { pid, exit });
            LoopControl::Go
        }
        Err(error) => {
            tracing::error!(%error, "monitor not started");
            let (helper, end) = (Helper::Monitor, HelperEnd::Failed);
            shell.events.push(Event::HelperEnded { helper, end });
            LoopControl::Go
        }
    }
}

/// In the child: takes what the monitor needs before the rest is dropped.
fn helper_init(shell: &mut Shell<'_>, master: Pid) -> Option<HelperInit<MonitorInit>> {
    let addresses: Arc<[String]> = shell.listening.addresses.clone();
    Some(HelperInit {
        post: MonitorInit {
            listeners: std::mem::take(&mut shell.helpers.monitor.binds.listeners),
            lifeline: shell.fleet.lifeline.read.take()?,
            board: shell.fleet.scoreboard.board(),
            app: names::server(&shell.generations.first),
            addresses,
            companions: shell.helpers.companions.shown_again(),
            certificates: shell
                .listening
                .certificates
                .as_ref()
                .and_then(|state| state.expiry().ok()),
        },
        identity: shell.fleet.identity.clone(),
        master,
        title: names::monitor(&shell.generations.first),
    })
}

/// Called once per turn: publishes the master's data for probes and metrics.
pub fn publish(shell: &mut Shell<'_>) {
    if shell.helpers.monitor.binds.listeners.is_empty() {
        return;
    }
    let now = clock::monotonic_ms();
    let monitor_helper = &mut shell.helpers.monitor;
    if now.saturating_sub(monitor_helper.queues_at_ms) >= QUEUES_EVERY_MS {
        monitor_helper.queues_at_ms = now;
        monitor_helper.queues = [Queue::default(); ServiceFacts::QUEUES];
        let shown = (shell.listening.listeners).queues(&shell.listening.shown);
        for (queue, shown) in monitor_helper.queues.iter_mut().zip(shown) {
            if let Some((waiting, most)) = shown {
                *queue = Queue { waiting, most };
            }
        }
    }
    monitor_helper.started |= shell.supervisor.is_up();
    let (started, queues) = (monitor_helper.started, monitor_helper.queues);
    let mut restarts = [0; CAUSES.len()];
    for (count, cause) in restarts.iter_mut().zip(super::restart_counters::Cause::ALL) {
        *count = shell.reporting.restart_counters.by_cause(cause);
    }
    shell.fleet.scoreboard.publish(&ServiceFacts {
        beat_ms: now,
        pid: std::process::id().into(),
        target: shell.supervisor.target().into(),
        generation: shell.supervisor.generation().0.into(),
        started,
        reloads: shell.reporting.restart_counters.reloads,
        reloads_failed: shell.reporting.restart_counters.reloads_failed,
        restarts,
        monitor_restarts: shell.reporting.restart_counters.monitor,
        queues,
        scaling: sampling::scaling_facts(&shell.fleet, &shell.supervisor),
    });
}

/// Main function of the child.
pub fn serve(helper_init: Option<HelperInit<MonitorInit>>) -> ! {
    match helper_init {
        Some(helper_init) => helper_init.serve("rgun: monitor", crate::monitor::run),
        None => exit_now(1),
    }
}
