//! What an operator should still see in the condition of the service after its line in the log has scrolled away.

use serde::{Deserialize, Serialize};

use super::supervisor::{Generation, ReloadFailure, Report};

/// A message that an operator should still see after the line in the log has scrolled away.
#[derive(Debug, Default, Clone, Serialize, Deserialize)]
pub struct Note {
    pub(super) reloading: Option<Generation>,
    pub(super) failed: Option<Generation>,
    pub(super) staged: Option<Generation>,
    pub(super) canary: Option<Generation>,
    /// The last one that was taken back, while no other one has come to serve.
    #[serde(default)]
    rolled_back: Option<Generation>,
    pub(super) up: bool,
    pub(super) stopping: bool,
}

impl Note {
    pub fn rolled_back(&self) -> Option<Generation> {
        self.rolled_back
    }

    pub fn take(&mut self, report: &Report) {
        match report {
            Report::Up { .. } => self.up = true,
            Report::ReloadBegan { generation } => self.reloading = Some(*generation),
            Report::Reloaded { .. } => {
                (self.reloading, self.failed, self.rolled_back) = (None, None, None);
            }
            Report::ReloadFailed { generation, .. } => {
                (self.reloading, self.staged, self.canary) = (None, None, None);
                self.failed = Some(*generation);
            }
            Report::Staged { generation, .. } => {
                (self.reloading, self.staged) = (None, Some(*generation));
            }
            Report::PromotionBegan { generation } => {
                (self.reloading, self.staged) = (Some(*generation), None);
                self.canary = None;
            }
            Report::CanaryServes { generation, .. } => {
                (self.reloading, self.staged) = (None, None);
                self.canary = Some(*generation);
            }
            Report::TakingBack { .. } => (self.staged, self.canary) = (None, None),
            Report::TakenBack {
                generation, why, ..
            } => {
                let failed = (*why != ReloadFailure::Discarded).then_some(*generation);
                (self.reloading, self.failed) = (None, failed);
                self.rolled_back = Some(*generation);
            }
            Report::NotTakenBack { to, .. } => {
                (self.reloading, self.failed) = (None, Some(*to));
            }
            Report::Discarded { .. } => (self.reloading, self.staged) = (None, None),
            Report::Stopping { .. } => self.stopping = true,
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rollback_by_an_operator_is_no_failure_and_replaces_one() {
        let mut note = Note::default();
        let taken_back = |generation, why| Report::TakenBack {
            generation: Generation(generation),
            to: Generation(1),
            why,
        };
        note.take(&taken_back(2, ReloadFailure::Overtaken));
        assert_eq!(note.failed, Some(Generation(2)));
        note.take(&taken_back(3, ReloadFailure::Discarded));
        assert_eq!(
            (note.failed, note.rolled_back()),
            (None, Some(Generation(3)))
        );
        note.take(&Report::Reloaded {
            generation: Generation(4),
            workers: 1,
        });
        assert_eq!(note.rolled_back(), None);
    }
}
