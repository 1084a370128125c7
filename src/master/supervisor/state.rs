//! The supervisor's state as text, for another program that goes on in its place: written between two events.
//!
//! A reader ignores fields that it does not know, so a newer program may add some: with `#[serde(default)]`, or older states
//! cannot be read any more. Where the meaning of a field changes, `VERSION` is raised.

use serde::{Deserialize, Serialize};

use super::phase::MasterPhase;
use super::{RolloutRefusal, Supervisor, reload};

/// Of what `write` writes, and the only one that `read` reads.
pub const VERSION: u32 = 1;

/// Why a state cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    #[error("the state has version {found}, and this program reads version {VERSION}")]
    Version { found: u32 },
    #[error("the state cannot be read: {0}")]
    Malformed(#[from] serde_json::Error),
}

#[derive(Serialize)]
struct Written<'a> {
    version: u32,
    supervisor: &'a Supervisor,
}

/// Read first: a state of another version may have another form.
#[derive(Deserialize)]
struct StateVersion {
    version: u32,
}

#[derive(Deserialize)]
struct SavedState {
    supervisor: Supervisor,
}

impl Supervisor {
    /// # Errors
    /// None is known: all that it consists of has a form in JSON.
    pub fn write(&self) -> Result<String, StateError> {
        let written = Written {
            version: VERSION,
            supervisor: self,
        };
        Ok(serde_json::to_string(&written)?)
    }

    /// The one that was written: it decides from here on as the other one would have. Its moments count from the same start.
    ///
    /// # Errors
    /// Another version, or not a state.
    pub fn read(text: &str) -> Result<Self, StateError> {
        let StateVersion { version } = serde_json::from_str(text)?;
        if version != VERSION {
            return Err(StateError::Version { found: version });
        }
        let SavedState { supervisor } = serde_json::from_str(text)?;
        Ok(supervisor)
    }
}

/// Why the state cannot be handed over to another program at this moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotNow {
    Starting,
    Stopping,
    Rollout(RolloutRefusal),
}

impl Supervisor {
    /// Another program reads the settings anew: it has one set of them, and there must be one generation that workers are
    /// started for. One that is kept for a rollback has its workers, or its mold.
    ///
    /// # Errors
    /// What has to end before.
    pub fn may_be_handed_over(&self) -> Result<(), NotNow> {
        match self.server.phase {
            MasterPhase::Running => {}
            MasterPhase::Preparing(_) | MasterPhase::FirstBoot => return Err(NotNow::Starting),
            MasterPhase::Delayed { .. }
            | MasterPhase::Stopping { .. }
            | MasterPhase::Closing { .. }
            | MasterPhase::Gone => return Err(NotNow::Stopping),
        }
        if let Some(refusal) = reload::in_progress(&self.server) {
            return Err(NotNow::Rollout(refusal));
        }
        Ok(())
    }
}
