//! The scoreboard as metrics, in the text of OpenMetrics.

use std::collections::BTreeSet;
use std::fmt;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Registry;

use super::companion_metrics;
use super::families::{CLASSES, Label, durations, family, seconds, waits};
use super::garbage_metrics;
use super::generation_metrics;
use super::memory::MemorySize;
use super::ratio::float;
use super::snapshot::{SlotSnapshot, Snapshot};
use crate::files::Coding;
use crate::ipc::{CAUSES, FILE_STATUSES, Queue};

pub fn text(snapshot: Snapshot) -> Result<String, fmt::Error> {
    let mut registry = Registry::default();
    registry.register_collector(Box::new(snapshot));
    let mut text = String::new();
    prometheus_client::encoding::text::encode(&mut text, &registry)?;
    Ok(text)
}

impl Collector for Snapshot {
    fn encode(&self, mut encoder: DescriptorEncoder) -> Result<(), fmt::Error> {
        let encoder = &mut encoder;
        self.encode_requests(encoder)?;
        self.encode_http2(encoder)?;
        self.encode_files(encoder)?;
        self.encode_waits(encoder)?;
        garbage_metrics::encode(self, encoder)?;
        generation_metrics::encode(&self.generations, encoder)?;
        self.encode_workers(encoder)?;
        self.encode_master(encoder)?;
        companion_metrics::encode(&self.companions, encoder)?;
        self.encode_certificates(encoder)?;
        self.encode_memory(encoder)
    }
}

impl Snapshot {
    fn encode_requests(&self, encoder: &mut DescriptorEncoder) -> Result<(), fmt::Error> {
        let help = "Requests that ended, by class of status; none: without an answer";
        family(
            encoder,
            "rgun_requests",
            help,
            MetricType::Counter,
            |metric| {
                for slot in &self.slots {
                    for (class, count) in CLASSES.iter().zip(slot.counters.status) {
                        let labels = [("slot", slot.name.as_str()), ("class", *class)];
                        metric
                            .encode_family(&labels)?
                            .encode_counter::<NoLabelSet, _, u64>(&count, None)?;
                    }
                }
                Ok(())
            },
        )?;
        let help = "From the end of a request's head to the last byte of its response";
        let buckets = |slot: &SlotSnapshot| durations(&slot.counters);
        self.histograms(encoder, "rgun_request_duration_seconds", help, buckets)?;
        self.gauges(
            encoder,
            "rgun_requests_in_flight",
            "Requests that are being answered",
            |slot| Some(float(slot.counters.in_flight())),
        )?;
        self.gauges(encoder, "rgun_connections", "Open connections", |slot| {
            Some(float(slot.connections))
        })?;
        self.counters(
            encoder,
            "rgun_connections_accepted",
            "Connections accepted",
            |slot| float(slot.counters.accepted),
        )?;
        self.counters(
            encoder,
            "rgun_connections_passed_on",
            "Connections passed on to another worker, because the app of this one was blocked",
            |slot| float(slot.counters.passed_on.connections),
        )?;
        self.counters(
            encoder,
            "rgun_shed_requests",
            "Requests answered with 503 because they had waited longer than --shed-wait",
            |slot| float(slot.counters.shed),
        )?;
        self.counters(
            encoder,
            "rgun_received_bytes",
            "Bytes that clients sent",
            |slot| float(slot.counters.bytes_in),
        )?;
        self.counters(
            encoder,
            "rgun_sent_bytes",
            "Bytes of response bodies sent",
            |slot| float(slot.counters.bytes_out),
        )?;
        self.counters(
            encoder,
            "rgun_spool_failures",
            "Temporary files that could not be made or written",
            |slot| float(slot.counters.spool_failures),
        )
    }

    fn encode_http2(&self, encoder: &mut DescriptorEncoder) -> Result<(), fmt::Error> {
        let help = "Connections that speak HTTP/2";
        self.counters(encoder, "rgun_http2_connections", help, |slot| {
            float(slot.counters.http2.connections)
        })?;
        let help = "Requests over HTTP/2; rgun_requests_total counts those of all protocols";
        self.counters(encoder, "rgun_http2_requests", help, |slot| {
            float(slot.counters.http2.requests)
        })?;
        let help = "HTTP/2 connections closed with ENHANCE_YOUR_CALM: floods of frames, resets or header fields";
        self.counters(encoder, "rgun_http2_calmed", help, |slot| {
            float(slot.counters.http2.calmed)
        })
    }

    fn encode_files(&self, encoder: &mut DescriptorEncoder) -> Result<(), fmt::Error> {
        let help = "Requests that were answered without the app, by content coding and status";
        family(
            encoder,
            "rgun_static_requests",
            help,
            MetricType::Counter,
            |metric| {
                for slot in &self.slots {
                    for (coding, counts) in Coding::ALL.iter().zip(slot.counters.files) {
                        let counted = FILE_STATUSES.iter().zip(counts);
                        for (status, count) in counted.filter(|(_, count)| *count > 0) {
                            let status = status.to_string();
                            let labels = [
                                ("slot", slot.name.as_str()),
                                ("encoding", coding.token()),
                                ("status", status.as_str()),
                            ];
                            metric
                                .encode_family(&labels)?
                                .encode_counter::<NoLabelSet, _, u64>(&count, None)?;
                        }
                    }
                }
                Ok(())
            },
        )
    }

    fn encode_waits(&self, encoder: &mut DescriptorEncoder) -> Result<(), fmt::Error> {
        let help = "How long connections waited to be accepted (from the kernel, to its tick)";
        self.histograms(encoder, "rgun_accept_wait_seconds", help, |slot| {
            waits(&slot.counters.accept_wait)
        })?;
        let help = "From the time in X-Request-Start to the end of the request's head";
        self.histograms(encoder, "rgun_request_queue_seconds", help, |slot| {
            waits(&slot.counters.queue)
        })?;
        for (name, help, pick) in [
            (
                "rgun_accept_queue_depth",
                "Connections that wait to be accepted, within the last second",
                (|queue| queue.waiting) as fn(&Queue) -> u64,
            ),
            (
                "rgun_accept_queue_limit",
                "Connections that the kernel keeps waiting at the most",
                |queue| queue.most,
            ),
        ] {
            family(encoder, name, help, MetricType::Gauge, |metric| {
                let queues = self.addresses.iter().zip(&self.facts.queues);
                for (address, queue) in queues.filter(|(_, queue)| queue.most > 0) {
                    let labels: Label = [("listener", address.as_str())];
                    metric.encode_family(&labels)?.encode_gauge(&pick(queue))?;
                }
                Ok(())
            })?;
        }
        Ok(())
    }

    fn encode_certificates(&self, encoder: &mut DescriptorEncoder) -> Result<(), fmt::Error> {
        if self.expiry.is_empty() {
            return Ok(());
        }
        family(
            encoder,
            "rgun_certificate_expiry_timestamp_seconds",
            "When the TLS certificate expires",
            MetricType::Gauge,
            |metric| {
                let mut seen = BTreeSet::new();
                for (name, expires) in &self.expiry {
                    // Two for one name (RSA and ECDSA): the first one is shown.
                    if !seen.insert(name) {
                        continue;
                    }
                    let labels: Label = [("name", name.as_str())];
                    metric
                        .encode_family(&labels)?
                        .encode_gauge(&float(*expires))?;
                }
                Ok(())
            },
        )
    }

    fn encode_workers(&self, encoder: &mut DescriptorEncoder) -> Result<(), fmt::Error> {
        let help = "Time in which workers were not asleep; of all threads that run the app";
        self.counters(encoder, "rgun_worker_busy_seconds", help, |slot| {
            seconds(slot.counters.busy_us)
        })?;
        let help = "Part of its time that a worker was not asleep, since the last scrape";
        self.gauges(encoder, "rgun_worker_busy_ratio", help, |slot| {
            slot.busy_ratio
        })?;
        let help =
            "Since the last sign of life of a slot's worker; one that idles beats once a second";
        self.gauges(encoder, "rgun_worker_heartbeat_age_seconds", help, |slot| {
            slot.silent_ms.map(|ms| float(ms) / 1e3)
        })?;
        family(
            encoder,
            "rgun_workers",
            "Workers by state",
            MetricType::Gauge,
            |metric| {
                for (state, count) in &self.states {
                    let labels: Label = [("state", *state)];
                    metric.encode_family(&labels)?.encode_gauge(count)?;
                }
                Ok(())
            },
        )
    }

    /// Where the number of workers follows the load.
    fn encode_scaling(&self, encoder: &mut DescriptorEncoder) -> Result<(), fmt::Error> {
        let scaling = &self.facts.scaling;
        if scaling.most == 0 {
            return Ok(());
        }
        let ends = [
            ("rgun_workers_least", "Workers at the least", scaling.least),
            ("rgun_workers_most", "Workers at the most", scaling.most),
        ];
        for (name, help, value) in ends {
            family(encoder, name, help, MetricType::Gauge, |metric| {
                metric.encode_gauge(&value)
            })?;
        }
        let help = "Changes of the number of workers because of the load, by direction";
        family(
            encoder,
            "rgun_workers_scaled",
            help,
            MetricType::Counter,
            |metric| {
                for (direction, count) in [("up", scaling.ups), ("down", scaling.downs)] {
                    let labels: Label = [("direction", direction)];
                    metric
                        .encode_family(&labels)?
                        .encode_counter::<NoLabelSet, _, u64>(&count, None)?;
                }
                Ok(())
            },
        )
    }

    fn encode_master(&self, encoder: &mut DescriptorEncoder) -> Result<(), fmt::Error> {
        let facts = &self.facts;
        for (name, help, value) in [
            (
                "rgun_workers_wanted",
                "Workers that are to serve",
                facts.target,
            ),
            (
                "rgun_generation",
                "The generation that serves",
                facts.generation,
            ),
        ] {
            family(encoder, name, help, MetricType::Gauge, |metric| {
                metric.encode_gauge(&value)
            })?;
        }
        self.encode_scaling(encoder)?;
        let help = "Workers that were replaced, by cause (reloads do not count)";
        family(
            encoder,
            "rgun_worker_restarts",
            help,
            MetricType::Counter,
            |metric| {
                for (cause, count) in CAUSES.iter().zip(facts.restarts) {
                    let labels: Label = [("cause", *cause)];
                    metric
                        .encode_family(&labels)?
                        .encode_counter::<NoLabelSet, _, u64>(&count, None)?;
                }
                Ok(())
            },
        )?;
        family(
            encoder,
            "rgun_monitor_restarts",
            "How often the monitor has died or hung, and was started again",
            MetricType::Counter,
            |metric| metric.encode_counter::<NoLabelSet, _, u64>(&facts.monitor_restarts, None),
        )?;
        family(
            encoder,
            "rgun_reloads",
            "Reloads by result",
            MetricType::Counter,
            |metric| {
                for (result, count) in [
                    ("succeeded", facts.reloads),
                    ("failed", facts.reloads_failed),
                ] {
                    let labels: Label = [("result", result)];
                    metric
                        .encode_family(&labels)?
                        .encode_counter::<NoLabelSet, _, u64>(&count, None)?;
                }
                Ok(())
            },
        )?;
        let labels = [("version", env!("CARGO_PKG_VERSION"))];
        family(
            encoder,
            "rgun_build",
            "This program",
            MetricType::Info,
            |metric| metric.encode_info(&labels),
        )
    }

    fn encode_memory(&self, encoder: &mut DescriptorEncoder) -> Result<(), fmt::Error> {
        for (name, help, pick) in [
            (
                "rgun_memory_resident_bytes",
                "Resident memory, shared pages included",
                (|size| size.resident) as fn(&MemorySize) -> Option<u64>,
            ),
            (
                "rgun_memory_proportional_bytes",
                "Memory with shared pages divided by their users, measured every 15 seconds",
                |size| size.proportional,
            ),
        ] {
            family(encoder, name, help, MetricType::Gauge, |metric| {
                for (process, slot, size) in &self.processes {
                    if let Some(bytes) = pick(size) {
                        let labels = [("process", *process), ("slot", slot.as_str())];
                        metric.encode_family(&labels)?.encode_gauge(&bytes)?;
                    }
                }
                Ok(())
            })?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::generations::GenerationTotals;
    use super::super::memory::MemoryReadings;
    use super::super::ratio::Ratios;
    use super::*;
    use crate::ipc::{Scoreboard, ScoreboardState, ServiceFacts};

    #[test]
    fn everything_as_prometheus_reads_it() {
        let board = Scoreboard::create(4).expect("a small mapping");
        let page = board.acquire(1, 3).expect("a page");
        page.set_state(ScoreboardState::Accepting);
        page.beat(9_500);
        page.connection_opened();
        page.accept_waited(0);
        page.accept_waited(3);
        page.request_queued(700);
        for (status, micros) in [(200, 10), (204, 5_000), (500, 1 << 30), (0, 100)] {
            let ticket = page.request_started(b"GET", b"/", b"", 1);
            page.request_finished(ticket, status, micros, 100);
        }
        page.received(77);
        let _in_flight = page.request_started(b"GET", b"/", b"", 1);
        let mut facts = ServiceFacts {
            target: 2,
            generation: 3,
            reloads: 2,
            reloads_failed: 1,
            ..ServiceFacts::default()
        };
        facts.restarts[1] = 5;
        facts.queues[0] = Queue {
            waiting: 4,
            most: 2048,
        };
        board.publish(&facts);
        let snapshot = Snapshot::take(
            &board.board(),
            &["http://127.0.0.1:8000".to_owned()],
            &mut MemoryReadings::default(),
            &mut Ratios::default(),
            10_000,
        );
        let mut snapshot = snapshot;
        snapshot.generations = GenerationTotals::default().look(board.living());
        snapshot.companions =
            super::super::companion::CompanionSample::read(b"1 0 celery\n0 12 beat\n");
        let text = text(snapshot).expect("it fits");
        // The memory of this machine is not known to the test.
        let stable: Vec<&str> = text
            .lines()
            .filter(|line| !line.starts_with("rgun_memory"))
            .collect();
        insta::assert_snapshot!(stable.join("\n"));
        assert!(text.contains("rgun_memory_resident_bytes{process=\"monitor\",slot=\"\"} "));
    }
}
