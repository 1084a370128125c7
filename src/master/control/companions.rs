//! Companions for clients of the control socket: by their names, and as `status` shows them.

use super::protocol::CompanionStatus;
use crate::master::shell::Shell;
use crate::master::supervisor::{CompanionId, CompanionStage};
use crate::sys::process::resident;

impl Shell<'_> {
    /// # Errors
    /// What to ask for instead.
    pub(super) fn companion_called(&self, name: &str) -> Result<CompanionId, String> {
        let names: Vec<_> = self.supervisor.companions().map(|view| view.name).collect();
        let mut known = self.supervisor.companions();
        let known = known.find(|view| view.name == name);
        known
            .map(|view| view.companion)
            .ok_or_else(|| match names.as_slice() {
                [] => format!(
                    "there is no companion {name}: nothing runs beside the workers (--beside)"
                ),
                names => format!(
                    "there is no companion {name}; there are: {}",
                    names.join(", ")
                ),
            })
    }

    pub(super) fn companions_status(&self, now: u64) -> Vec<CompanionStatus> {
        let views = self.supervisor.companions();
        let companions = views.map(|view| {
            let running = self.helpers.companions.get(view.companion);
            CompanionStatus {
                name: view.name.to_owned(),
                command: running.map(|running| running.command.clone()),
                state: stage(view.stage).to_owned(),
                pid: running.map(|running| running.pid.as_raw()),
                age_ms: running.map(|running| now.saturating_sub(running.born_ms)),
                restarts: self.helpers.companions.restarts_of(view.name),
                memory: running.and_then(|running| resident(running.pid)),
            }
        });
        companions.collect()
    }
}

fn stage(stage: CompanionStage) -> &'static str {
    match stage {
        CompanionStage::Paused => "paused",
        CompanionStage::Running => "running",
        CompanionStage::Stopping => "stopping",
    }
}
