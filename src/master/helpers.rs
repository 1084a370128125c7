//! The master's child processes that are no workers. The supervisor decides when one starts, and gets their exits
//! from here.

use std::time::Duration;

use super::monitor_process::ExitCause;
use super::shell::{LoopControl, Shell};
use super::supervisor::{Event, Helper, HelperEnd};
use crate::ipc::MonitorBeat;
use crate::sys::process::ProcessExit;
use crate::sys::{Pid, clock};

impl Shell<'_> {
    pub(super) fn start_helper(&mut self, helper: Helper) -> LoopControl {
        match helper {
            Helper::Watcher => self.start_watcher(),
            Helper::Monitor => self.start_monitor(),
        }
    }

    /// A child that is no worker was reaped. `false`: an unknown process.
    pub(super) fn reap_helper(&mut self, pid: Pid, exit: ProcessExit) -> bool {
        if let Some(end) = self.helpers.monitor.ended(pid, exit) {
            if end != HelperEnd::Renewed {
                self.reporting.restart_counters.monitor += 1;
            }
            self.helper_ended(Helper::Monitor, end);
            return true;
        }
        if let Some(end) = self.helpers.watcher.ended(pid, exit) {
            self.helper_ended(Helper::Watcher, end);
            return true;
        }
        self.upgrade.ended(pid, exit)
            || self.was_preparation(pid, exit)
            || self.was_companion(pid, exit)
            || self.was_mold(pid, exit)
            || self.was_second_master(pid, exit)
    }

    /// It hangs.
    pub(super) fn kill_helper(&mut self, helper: Helper) {
        match helper {
            Helper::Monitor => self.helpers.monitor.kill(ExitCause::Hung),
            // It has no heartbeats.
            Helper::Watcher => {}
        }
    }

    pub(super) fn sample_helpers(&mut self) {
        let beat = self.fleet.scoreboard.monitor_beat();
        let beat = beat.filter(|_| self.helpers.monitor.is_running());
        if let Some(beat_ms) = beat.and_then(MonitorBeat::last) {
            let age = clock::monotonic_ms().saturating_sub(beat_ms);
            self.events.pending.push_back(Event::HelperBeat {
                helper: Helper::Monitor,
                age: Duration::from_millis(age),
            });
        }
    }

    pub(super) fn helper_ended(&mut self, helper: Helper, end: HelperEnd) {
        self.events
            .pending
            .push_back(Event::HelperEnded { helper, end });
    }

    /// No worker is left, and none will be started.
    pub(super) fn end_helpers(&mut self) {
        self.helpers.ending = true;
        self.end_molds();
        self.helpers.monitor.dismiss();
        self.helpers.watcher.dismiss();
        self.look_for_helpers_end();
    }

    /// Called once per turn: reports when the last helper has exited.
    pub(super) fn look_for_helpers_end(&mut self) {
        let runs = self.helpers.monitor.is_running()
            || self.helpers.watcher.is_running()
            || !self.molds.is_gone();
        if self.helpers.ending && !runs {
            self.helpers.ending = false;
            self.events.pending.push_back(Event::HelpersEnded);
        }
    }
}
