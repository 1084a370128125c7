//! Companions for clients of the control socket: by their names, and as `status` shows them.

use super::protocol::CompanionStatus;
use crate::master::companions::processes::CompanionProcesses;
use crate::master::supervisor::{CompanionId, CompanionStage, Supervisor};
use crate::sys::process::resident;

/// # Errors
/// What to ask for instead.
pub fn called(supervisor: &Supervisor, name: &str) -> Result<CompanionId, String> {
    let names: Vec<_> = supervisor.companions().map(|view| view.name).collect();
    let mut known = supervisor.companions();
    let known = known.find(|view| view.name == name);
    known
        .map(|view| view.companion)
        .ok_or_else(|| match names.as_slice() {
            [] => {
                format!("there is no companion {name}: nothing runs beside the workers (--beside)")
            }
            names => format!(
                "there is no companion {name}; there are: {}",
                names.join(", ")
            ),
        })
}

pub fn status(
    companions: &CompanionProcesses,
    supervisor: &Supervisor,
    now: u64,
) -> Vec<CompanionStatus> {
    let views = supervisor.companions();
    let companions = views.map(|view| {
        let running = companions.get(view.companion);
        CompanionStatus {
            name: view.name.to_owned(),
            command: running.map(|running| running.command.clone()),
            state: stage(view.stage).to_owned(),
            pid: running.map(|running| running.pid.as_raw()),
            age_ms: running.map(|running| now.saturating_sub(running.born_ms)),
            restarts: companions.restarts_of(view.name),
            memory: running.and_then(|running| resident(running.pid)),
        }
    });
    companions.collect()
}

fn stage(stage: CompanionStage) -> &'static str {
    match stage {
        CompanionStage::Paused => "paused",
        CompanionStage::Running => "running",
        CompanionStage::Stopping => "stopping",
    }
}
