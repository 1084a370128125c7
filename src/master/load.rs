//! The load of the server, for statsd's gauges, once a second.

use super::shell::Shell;
use crate::config::BacklogMetric;
use crate::observability::statsd::{self, LoadGauges};

impl Shell<'_> {
    pub(super) fn report_load(&self) {
        let Some(settings) = &self.generations.logging.logging.statsd else {
            return;
        };
        let queues = (self.listening.listeners).queues(&self.listening.shown);
        let mut load = LoadGauges {
            backlog: queues.flatten().map(|(waiting, _)| waiting).sum(),
            ..LoadGauges::default()
        };
        let (mut workers, mut queued, mut queued_ms) = (0_u32, 0, 0);
        for (_, worker) in self
            .fleet
            .workers
            .iter()
            .filter(|(_, it)| it.ready_ms.is_some())
        {
            workers += 1;
            load.busy_ratio += worker.rate.busy(worker.page.threads());
            load.in_flight += worker.page.counters().in_flight();
            let (count, ms) = worker.rate.queued();
            (queued, queued_ms) = (queued + count, queued_ms + ms);
        }
        load.busy_ratio /= f64::from(workers.max(1));
        load.queue_ms = queued_ms / queued.max(1);
        match settings.backlog {
            BacklogMetric::Sent => statsd::load(&load, statsd::Backlog::Histogram),
            BacklogMetric::No => statsd::load(&load, statsd::Backlog::Gauge),
        }
    }
}
