//! How many workers there are to be: a number, or a range in which the number follows the load.

use std::time::Duration;

use super::value::worker_count;

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

/// A number of workers, or a range, that depends on the CPUs: `auto`, `2..auto*2`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkersByCpus {
    text: String,
    /// The most that a server can have.
    ceiling: u32,
}

impl WorkersByCpus {
    /// `None`: the number does not depend on the CPUs.
    pub(super) fn of(text: &str, ceiling: u32) -> Option<Self> {
        text.contains("auto").then(|| Self {
            text: text.to_owned(),
            ceiling,
        })
    }

    pub(super) fn is_range(&self) -> bool {
        self.text.contains("..")
    }

    /// The least and the most with so many CPUs; `None`: a range whose least is above its most.
    #[must_use]
    pub fn count(&self, cpus: u32) -> Option<(u32, u32)> {
        let count = worker_count(&self.text, cpus, self.ceiling).ok()?;
        Some((count.least, count.most))
    }
}

impl super::Settings {
    #[must_use]
    pub fn most_workers(&self) -> u32 {
        self.scaling
            .as_ref()
            .map_or(self.workers, |scaling| scaling.most)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_depends_on_the_cpus() {
        let by_cpus = |text| WorkersByCpus::of(text, 1024);
        let count = |text, cpus| by_cpus(text).and_then(|by_cpus| by_cpus.count(cpus));
        assert_eq!(count("auto", 3), Some((3, 3)));
        assert_eq!(count("auto..auto*2", 3), Some((3, 6)));
        assert_eq!(count("2..auto", 8), Some((2, 8)));
        assert_eq!(count("2..auto", 1), None);
        assert_eq!(count("2..8", 4), None);
    }
}
