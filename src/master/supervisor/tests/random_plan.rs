//! The settings of a random history.

use std::time::Duration;

use super::rng::Rng;
use crate::master::supervisor::*;

fn random_rules(rng: &mut Rng) -> Option<ScaleRules> {
    rng.percent(25).then(|| ScaleRules {
        most: u32::try_from(rng.between(2, 8)).expect("small"),
        wait: Duration::from_millis(10),
        idle: Duration::from_secs(rng.pick(&[2, 10])),
    })
}

pub fn random_plan(rng: &mut Rng) -> Plan {
    Plan {
        workers: u32::try_from(rng.between(1, 5)).expect("small"),
        scaling: random_rules(rng),
        most_workers: u32::try_from(rng.between(5, 8)).expect("small"),
        parallel_boots: u32::try_from(rng.between(1, 4)).expect("small"),
        surge: rng.pick(&[None, None, None, Some(1), Some(2)]),
        boot_timeout: rng.millis(5000, 10_000),
        graceful_timeout: rng.millis(1000, 8000),
        timeout: rng.pick(&[None, Some(3), Some(6)]).map(Duration::from_secs),
        rollback_window: Duration::from_secs(rng.pick(&[0, 0, 20])),
        rollback_keep: rng.pick(&[KeptProcesses::Workers, KeptProcesses::Mold]),
        shutdown_delay: Duration::from_secs(rng.pick(&[0, 0, 2])),
        winch: rng.pick(&[Winch::Ignored, Winch::RetiresWorkers]),
        sources: rng.pick(&[
            SourceWatching::Fixed,
            SourceWatching::Fixed,
            SourceWatching::Watched,
        ]),
        limits: WorkerLimits {
            requests: rng.pick(&[None, Some(1000)]),
            requests_jitter: 500,
            memory: rng.pick(&[None, Some(1000)]),
            lifetime: rng.pick(&[None, None, Some(Duration::from_secs(60))]),
            lifetime_jitter: Duration::from_secs(30),
        },
        refork_after: rng.pick(&[None, Some(1500)]),
        abort: rng.pick(&[Abort::Never, Abort::First]),
        forked_from: rng.pick(&[ForkedFrom::Master, ForkedFrom::Mold]),
        helpers: rng.pick(&[vec![], vec![Helper::Monitor, Helper::Watcher]]),
        companions: vec![],
        preparations: rng.pick(&[0, 0, 0, 1, 2]),
        preparation_timeout: rng.pick(&[None, Some(2)]).map(Duration::from_secs),
    }
}
