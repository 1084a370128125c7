//! The load of the server, for statsd's gauges, once a second.

use super::generations::Generations;
use super::listening::Listening;
use super::workers::Workers;
use crate::config::BacklogMetric;
use crate::observability::statsd::{self, LoadGauges};

pub fn report(workers: &Workers, generations: &Generations<'_>, listening: &Listening) {
    let Some(settings) = &generations.logging.logging.statsd else {
        return;
    };
    let mut load = LoadGauges {
        backlog: listening.waiting(),
        ..LoadGauges::default()
    };
    let (mut ready, mut queued, mut queued_ms) = (0_u32, 0, 0);
    for (_, worker) in workers.iter().filter(|(_, it)| it.ready_ms.is_some()) {
        ready += 1;
        load.busy_ratio += worker.rate.busy(worker.page.threads());
        load.in_flight += worker.page.counters().in_flight();
        let (count, ms) = worker.rate.queued();
        (queued, queued_ms) = (queued + count, queued_ms + ms);
    }
    load.busy_ratio /= f64::from(ready.max(1));
    load.queue_ms = queued_ms / queued.max(1);
    match settings.backlog {
        BacklogMetric::Sent => statsd::load(&load, statsd::Backlog::Histogram),
        BacklogMetric::No => statsd::load(&load, statsd::Backlog::Gauge),
    }
}
