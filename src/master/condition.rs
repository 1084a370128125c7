//! The condition of the service, as text and numbers: for the service manager, and on the scoreboard for probes.

use std::time::Duration;

use super::service::Condition;
use super::shell::Shell;
use super::supervisor::{ServiceState, WorkerStage};
use crate::ipc;
use crate::sys::clock;

impl Shell<'_> {
    pub(super) fn notify(&mut self, state: ServiceState) {
        tracing::debug!(?state, "service state");
        self.fleet.scoreboard.set_service(match state {
            ServiceState::Ready => ipc::Service::Ready,
            ServiceState::Reloading => ipc::Service::Reloading,
            ServiceState::Stopping => ipc::Service::Stopping,
        });
        if state == ServiceState::Stopping && self.pass_service_on() {
            return;
        }
        let condition = self.condition();
        self.reporting
            .service
            .change(clock::monotonic(), state, &condition);
    }

    /// Called once per turn.
    pub(super) fn tell_service(&mut self) {
        if self.reporting.service.is_heard() {
            let condition = self.condition();
            self.reporting.service.tick(clock::monotonic(), &condition);
        }
    }

    fn condition(&self) -> Condition {
        Condition {
            words: self.words(),
            numbers: self.numbers(),
            beat: self.youngest_beat(),
        }
    }

    fn words(&self) -> String {
        let serving = |stage: WorkerStage| matches!(stage, WorkerStage::Serving);
        let ready = self
            .supervisor
            .workers()
            .filter(|w| serving(w.stage))
            .count();
        let (target, generation) = (self.supervisor.target(), self.supervisor.generation());
        let all = self.supervisor.workers().count();
        if self.reporting.note.stopping {
            return format!("stopping, {all} workers left");
        }
        let counted = format!("{ready} of {target} workers ready");
        if self.helpers.command.is_some() {
            return "running a command before the first boot".to_owned();
        }
        if !self.reporting.note.up {
            return format!("booting, {counted}");
        }
        let aside = match (self.reporting.note.reloading, self.reporting.note.failed) {
            (Some(next), _) => format!(", reloading to generation {next}"),
            (None, Some(failed)) => format!(", reload to generation {failed} failed"),
            (None, None) => String::new(),
        };
        let staged = self.reporting.note.staged;
        let staged = staged.map_or_else(String::new, |it| format!(", generation {it} staged"));
        let canary = self.reporting.note.canary;
        let canary = canary.map_or_else(String::new, |it| {
            format!(", generation {it} serves in part")
        });
        format!("{counted}, generation {generation}{aside}{staged}{canary}")
    }

    fn numbers(&self) -> String {
        let living = self
            .fleet
            .scoreboard
            .living()
            .map(|page| page.counters().in_flight());
        let in_flight: u64 = living.sum();
        format!("{in_flight} requests in flight")
    }

    /// Age of the most recent heartbeat of a worker. Zero for one that boots within its time, and for a server that
    /// was ordered to have no worker, or to stop.
    fn youngest_beat(&self) -> Option<Duration> {
        let now = clock::monotonic_ms();
        if self.reporting.note.stopping || self.supervisor.target() == 0 {
            return Some(Duration::ZERO);
        }
        let ages = self
            .supervisor
            .workers()
            .filter_map(|view| match view.stage {
                WorkerStage::Booting => Some(Duration::ZERO),
                WorkerStage::Standby
                | WorkerStage::Serving
                | WorkerStage::Paused
                | WorkerStage::Draining => {
                    let worker = self.fleet.workers.get(view.who.incarnation)?;
                    let beat = worker.page.heartbeat().max(worker.ready_ms.unwrap_or(0));
                    Some(Duration::from_millis(now.saturating_sub(beat)))
                }
                WorkerStage::Hung | WorkerStage::Stopping => None,
            });
        ages.min()
    }
}
