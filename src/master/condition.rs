//! The condition of the service, as text and numbers: for the service manager, and on the scoreboard for probes.

use std::time::Duration;

use super::helper_processes::HelperProcesses;
use super::reporting::Reporting;
use super::service::Condition;
use super::shell::Shell;
use super::supervisor::{ServiceState, Supervisor, WorkerStage};
use super::upgrade::attempt::OtherMaster;
use super::worker_processes::WorkerProcesses;
use crate::ipc;
use crate::sys::clock;

pub fn notify(shell: &mut Shell<'_>, state: ServiceState) {
    tracing::debug!(?state, "service state");
    shell.fleet.scoreboard.set_service(match state {
        ServiceState::Ready => ipc::Service::Ready,
        ServiceState::Reloading => ipc::Service::Reloading,
        ServiceState::Stopping => ipc::Service::Stopping,
    });
    // The service goes on with the other master: systemd must not take the end of this one for its end.
    if state == ServiceState::Stopping
        && let OtherMaster::Second(pid) = shell.upgrade.other
    {
        shell.reporting.service.pass_on(pid);
        return;
    }
    let condition = condition(shell);
    shell
        .reporting
        .service
        .change(clock::monotonic(), state, &condition);
}

/// Called once per turn.
pub fn tell_service(shell: &mut Shell<'_>) {
    if shell.reporting.service.is_heard() {
        let condition = condition(shell);
        shell.reporting.service.tick(clock::monotonic(), &condition);
    }
}

fn condition(shell: &Shell<'_>) -> Condition {
    Condition {
        words: words(&shell.helpers, &shell.reporting, &shell.supervisor),
        numbers: numbers(&shell.fleet),
        beat: youngest_beat(&shell.fleet, &shell.reporting, &shell.supervisor),
    }
}

fn words(helpers: &HelperProcesses, reporting: &Reporting, supervisor: &Supervisor) -> String {
    let serving = |stage: WorkerStage| matches!(stage, WorkerStage::Serving);
    let ready = supervisor.workers().filter(|w| serving(w.stage)).count();
    let (target, generation) = (supervisor.target(), supervisor.generation());
    let all = supervisor.workers().count();
    if reporting.note.stopping {
        return format!("stopping, {all} workers left");
    }
    let counted = format!("{ready} of {target} workers ready");
    if helpers.command.is_some() {
        return "running a command before the first boot".to_owned();
    }
    if !reporting.note.up {
        return format!("booting, {counted}");
    }
    let aside = match (reporting.note.reloading, reporting.note.failed) {
        (Some(next), _) => format!(", reloading to generation {next}"),
        (None, Some(failed)) => format!(", reload to generation {failed} failed"),
        (None, None) => String::new(),
    };
    let staged = reporting.note.staged;
    let staged = staged.map_or_else(String::new, |it| format!(", generation {it} staged"));
    let canary = reporting.note.canary;
    let canary = canary.map_or_else(String::new, |it| {
        format!(", generation {it} serves in part")
    });
    format!("{counted}, generation {generation}{aside}{staged}{canary}")
}

fn numbers(fleet: &WorkerProcesses) -> String {
    let living = fleet
        .scoreboard
        .living()
        .map(|page| page.counters().in_flight());
    let in_flight: u64 = living.sum();
    format!("{in_flight} requests in flight")
}

/// Age of the most recent heartbeat of a worker. Zero for one that boots within its time, and for a server that
/// was ordered to have no worker, or to stop.
fn youngest_beat(
    fleet: &WorkerProcesses,
    reporting: &Reporting,
    supervisor: &Supervisor,
) -> Option<Duration> {
    let now = clock::monotonic_ms();
    if reporting.note.stopping || supervisor.target() == 0 {
        return Some(Duration::ZERO);
    }
    let ages = supervisor.workers().filter_map(|view| match view.stage {
        WorkerStage::Booting => Some(Duration::ZERO),
        WorkerStage::Standby
        | WorkerStage::Serving
        | WorkerStage::Paused
        | WorkerStage::Draining => {
            let worker = fleet.workers.get(view.who.incarnation)?;
            let beat = worker.page.heartbeat().max(worker.ready_ms.unwrap_or(0));
            Some(Duration::from_millis(now.saturating_sub(beat)))
        }
        WorkerStage::Hung | WorkerStage::Stopping => None,
    });
    ages.min()
}
