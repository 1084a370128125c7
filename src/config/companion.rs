//! Programs that run beside the workers (`--beside`).

use std::time::Duration;

use super::RunBefore;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CompanionSettings {
    /// Unique among them.
    pub name: String,
    pub command: RunBefore,
    /// From SIGTERM to SIGKILL. `None`: `--graceful-timeout`.
    pub grace: Option<Duration>,
    /// On top of the environment of the workers.
    pub environment: Vec<(String, String)>,
}
