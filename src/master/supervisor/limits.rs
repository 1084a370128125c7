//! When a worker is to be replaced: its own limits, chosen at its spawn, and the one that it has reached.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::chance::Chance;

/// `--max-requests`, `--max-worker-memory`, `--max-worker-lifetime`, and their random jitter.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkerLimits {
    pub requests: Option<u64>,
    pub requests_jitter: u64,
    /// Bytes.
    pub memory: Option<u64>,
    pub lifetime: Option<Duration>,
    pub lifetime_jitter: Duration,
}

/// The limits of one worker, including its jitter.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct OwnLimits {
    requests: Option<u64>,
    memory: Option<u64>,
    lifetime: Option<Duration>,
}

/// The usage of a worker so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct WorkerUsage {
    pub(super) requests: u64,
    /// Resident bytes; `None`: unknown.
    pub(super) memory: Option<u64>,
    /// Since it became ready.
    pub(super) age: Duration,
}

/// Why a worker that serves is to be replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Retirement {
    /// `--max-requests`
    Requests,
    /// `--max-worker-memory`
    Memory,
    /// `--max-worker-lifetime`
    Lifetime,
    /// `ctl restart-worker`
    Requested,
    /// One of its threads hangs; the others serve.
    Hung,
    /// `--refork-after`: it becomes the mold.
    BecomesMold,
    /// `--refork-after`: the mold was a worker, and can fork one that shares more.
    OlderMold,
}

/// The limit that was reached, with its numbers: requests, bytes or seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Excess {
    pub why: Retirement,
    pub value: u64,
    pub limit: u64,
}

impl OwnLimits {
    pub(super) fn draw(limits: &WorkerLimits, chance: &mut Chance) -> Self {
        let milliseconds = |span: Duration| u64::try_from(span.as_millis()).unwrap_or(u64::MAX / 2);
        Self {
            requests: limits
                .requests
                .map(|limit| limit.saturating_add(chance.up_to(limits.requests_jitter))),
            memory: limits.memory,
            lifetime: limits.lifetime.map(|limit| {
                let jitter = chance.up_to(milliseconds(limits.lifetime_jitter));
                limit.saturating_add(Duration::from_millis(jitter))
            }),
        }
    }

    /// The first limit that `done` has reached.
    pub(super) fn passed(&self, done: WorkerUsage) -> Option<Excess> {
        let reached = |why, value: Option<u64>, limit: Option<u64>| match (value, limit) {
            (Some(value), Some(limit)) if value >= limit => Some(Excess { why, value, limit }),
            _ => None,
        };
        let requests = reached(Retirement::Requests, Some(done.requests), self.requests);
        let memory = || reached(Retirement::Memory, done.memory, self.memory);
        let lifetime = || {
            let limit = self.lifetime.filter(|limit| done.age >= *limit)?;
            reached(
                Retirement::Lifetime,
                Some(done.age.as_secs()),
                Some(limit.as_secs()),
            )
        };
        requests.or_else(memory).or_else(lifetime)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    #[test]
    fn without_limits_nobody_is_done() {
        let done = WorkerUsage {
            requests: u64::MAX,
            memory: Some(u64::MAX),
            age: Duration::MAX,
        };
        let limits = OwnLimits::draw(&WorkerLimits::default(), &mut Chance::new(1));
        assert_eq!(limits.passed(done), None);
    }

    #[test]
    fn each_limit_says_what_it_is_and_by_how_much() {
        let limits = OwnLimits {
            requests: Some(100),
            memory: Some(1 << 20),
            lifetime: Some(HOUR),
        };
        let below = WorkerUsage {
            requests: 99,
            memory: Some((1 << 20) - 1),
            age: HOUR / 2,
        };
        assert_eq!(limits.passed(below), None);
        let excess = |done| limits.passed(done).expect("passed");
        let requests = excess(WorkerUsage {
            requests: 104,
            ..below
        });
        assert_eq!(
            (requests.why, requests.value, requests.limit),
            (Retirement::Requests, 104, 100)
        );
        let memory = excess(WorkerUsage {
            memory: Some(1 << 21),
            ..below
        });
        assert_eq!(
            (memory.why, memory.value, memory.limit),
            (Retirement::Memory, 1 << 21, 1 << 20)
        );
        let lifetime = excess(WorkerUsage { age: HOUR, ..below });
        assert_eq!(
            (lifetime.why, lifetime.value, lifetime.limit),
            (Retirement::Lifetime, 3600, 3600)
        );
        assert_eq!(
            limits.passed(WorkerUsage {
                memory: None,
                ..below
            }),
            None
        );
    }

    #[test]
    fn jitter_only_adds_and_differs() {
        let limits = WorkerLimits {
            requests: Some(1000),
            requests_jitter: 500,
            lifetime: Some(HOUR),
            lifetime_jitter: HOUR,
            ..WorkerLimits::default()
        };
        let mut chance = Chance::new(1);
        let drawn: Vec<_> = (0..64)
            .map(|_| OwnLimits::draw(&limits, &mut chance))
            .collect();
        for limits in &drawn {
            assert!((1000..=1500).contains(&limits.requests.expect("given")));
            assert!((HOUR..=2 * HOUR).contains(&limits.lifetime.expect("given")));
        }
        assert!(
            drawn
                .iter()
                .any(|limits| limits.requests != drawn[0].requests)
        );
        assert_eq!(chance.up_to(0), 0);
    }
}
