//! Programs that run beside the workers (`--beside`).

use std::time::Duration;

use super::RunBefore;

/// By which signal a program opens its log files again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReopenSignal {
    Hup,
    Usr1,
    Usr2,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CompanionSettings {
    /// Unique among them.
    pub name: String,
    pub command: RunBefore,
    /// From SIGTERM to SIGKILL. `None`: `--graceful-timeout`.
    pub grace: Option<Duration>,
    /// What it gets when log files are to be opened again. `None`: nothing.
    pub reopen: Option<ReopenSignal>,
    /// On top of the environment of the workers.
    pub environment: Vec<(String, String)>,
}
