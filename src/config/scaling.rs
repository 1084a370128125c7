//! How many workers there are to be: a number, or a range in which the number follows the load.

use std::time::Duration;

/// `-w MIN..MAX` and what belongs to it. The least is the number of workers of the settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScalingSettings {
    /// Above the least.
    pub most: u32,
    /// Connections that wait longer than this to be accepted are a reason for another worker.
    pub wait: Duration,
    /// After so long with little to do there is a worker less.
    pub idle: Duration,
    /// What all workers together may take, in bytes; `None`: a share of the control group's limit, if it has one.
    pub memory: Option<u64>,
}

impl super::Settings {
    #[must_use]
    pub fn most_workers(&self) -> u32 {
        self.scaling
            .as_ref()
            .map_or(self.workers, |scaling| scaling.most)
    }
}
