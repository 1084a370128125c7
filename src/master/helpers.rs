//! The master's child processes that are no workers. The supervisor decides when one starts, and gets their exits
//! from here.

use std::time::Duration;

use super::event_queue::EventQueue;
use super::helper_processes::HelperProcesses;
use super::loop_control::LoopControl;
use super::molds::{self, Molds};
use super::monitor_process::{ExitCause, MonitorHelper};
use super::shell::Shell;
use super::supervisor::{Event, Helper};
use super::worker_processes::WorkerProcesses;
use super::{monitor_helper, watcher_helper};
use crate::ipc::MonitorBeat;
use crate::sys::clock;

pub fn start(shell: &mut Shell<'_>, helper: Helper) -> LoopControl {
    match helper {
        Helper::Watcher => watcher_helper::start(shell),
        Helper::Monitor => monitor_helper::start(shell),
    }
}

/// It hangs.
pub fn kill(monitor: &mut MonitorHelper, helper: Helper) {
    match helper {
        Helper::Monitor => monitor.kill(ExitCause::Hung),
        // It has no heartbeats.
        Helper::Watcher => {}
    }
}

pub fn sample(events: &mut EventQueue, fleet: &WorkerProcesses, monitor: &MonitorHelper) {
    let beat = fleet.scoreboard.monitor_beat();
    let beat = beat.filter(|_| monitor.is_running());
    if let Some(beat_ms) = beat.and_then(MonitorBeat::last) {
        let age = clock::monotonic_ms().saturating_sub(beat_ms);
        events.push(Event::HelperBeat {
            helper: Helper::Monitor,
            age: Duration::from_millis(age),
        });
    }
}

/// No worker is left, and none will be started.
pub fn end(shell: &mut Shell<'_>) {
    shell.helpers.ending = true;
    molds::end_all(&shell.generations, &mut shell.molds, &shell.supervisor);
    shell.helpers.monitor.dismiss();
    shell.helpers.watcher.dismiss();
    look_for_end(&mut shell.events, &mut shell.helpers, &shell.molds);
}

/// Called once per turn: reports when the last helper has exited.
pub fn look_for_end(events: &mut EventQueue, helpers: &mut HelperProcesses, molds: &Molds) {
    let runs = helpers.monitor.is_running() || helpers.watcher.is_running() || !molds.is_gone();
    if helpers.ending && !runs {
        helpers.ending = false;
        events.push(Event::HelpersEnded);
    }
}
