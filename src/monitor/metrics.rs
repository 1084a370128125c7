//! The scoreboard as Prometheus reads it (OpenMetrics text). It counts nothing itself.

use std::collections::BTreeMap;
use std::fmt;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Registry;

use super::memory::{Memory, Size};
use super::ratio::{Ratios, float};
use crate::ipc::{Board, CAUSES, Counters, Facts, Page, State, Waits};
use crate::sys::Pid;

pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Requests of less than 64 µs share a bucket: nobody cares which of them was how fast.
const FIRST_BUCKET: usize = 6;

/// Everything at one moment.
#[derive(Debug)]
pub struct Snapshot {
    facts: Facts,
    addresses: Vec<String>,
    slots: Vec<Slot>,
    states: BTreeMap<&'static str, u64>,
    processes: Vec<(&'static str, String, Size)>,
}

#[derive(Debug)]
struct Slot {
    name: String,
    counters: Counters,
    connections: u64,
    /// Milliseconds since the last sign of life; `None`: nobody lives there.
    silent_ms: Option<u64>,
    busy_ratio: Option<f64>,
}

impl Snapshot {
    pub fn take(
        board: &Board,
        addresses: &[String],
        memory: &mut Memory,
        ratios: &mut Ratios,
        now: u64,
    ) -> Self {
        let living: Vec<Page> = board.living().collect();
        let mut states: BTreeMap<_, u64> = STATES.iter().map(|(_, name)| (*name, 0)).collect();
        for page in &living {
            *states.entry(state_name(page.state())).or_default() += 1;
        }
        let slots = slots(board, &living);
        let work: Vec<(u32, u64, u64)> = slots
            .iter()
            .map(|(slot, counters)| {
                let threads = living.iter().filter(|page| page.slot() == u64::from(*slot));
                let threads = threads.map(Page::threads).max().unwrap_or(1);
                (*slot, counters.busy_us, threads)
            })
            .collect();
        let ratios = ratios.look(now, &work);
        let slots = slots
            .into_iter()
            .map(|(slot, counters)| {
                let own = || living.iter().filter(|page| page.slot() == u64::from(slot));
                Slot {
                    name: slot.to_string(),
                    counters,
                    connections: own().map(Page::connections).sum(),
                    silent_ms: own().map(|page| now.saturating_sub(page.heartbeat())).min(),
                    busy_ratio: ratios.get(&slot).copied(),
                }
            })
            .collect();
        let facts = board.facts();
        memory.forget(now);
        let mut size = |pid: u64| {
            let pid = i32::try_from(pid).ok().and_then(Pid::new)?;
            Some(memory.of(pid, now))
        };
        let mut processes = Vec::new();
        let own = u64::try_from(Pid::this().as_raw()).unwrap_or(0);
        for (kind, pid) in [("master", facts.pid), ("monitor", own)] {
            processes.extend(size(pid).map(|size| (kind, String::new(), size)));
        }
        let mut workers: BTreeMap<u64, Size> = BTreeMap::new();
        for page in &living {
            if let Some(size) = size(page.pid()) {
                let sum = workers.entry(page.slot()).or_default();
                let add =
                    |a: Option<u64>, b: Option<u64>| a.map_or(b, |a| Some(a + b.unwrap_or(0)));
                sum.resident = add(sum.resident, size.resident);
                sum.proportional = add(sum.proportional, size.proportional);
            }
        }
        processes.extend(
            workers
                .into_iter()
                .map(|(slot, size)| ("worker", slot.to_string(), size)),
        );
        Self {
            facts,
            addresses: addresses.to_vec(),
            slots,
            states,
            processes,
        }
    }
}

/// Those that somebody lives in, or has ever done something in: what was shown once stays, so that no sum goes back.
fn slots(board: &Board, living: &[Page]) -> Vec<(u32, Counters)> {
    let lives = |slot: u32| living.iter().any(|page| page.slot() == u64::from(slot));
    (0..board.slots())
        .map(|slot| (slot, board.slot_counters(slot)))
        .filter(|(slot, counters)| lives(*slot) || counters.accepted + counters.requests > 0)
        .collect()
}

const STATES: [(State, &str); 5] = [
    (State::Booting, "booting"),
    (State::Ready, "standby"),
    (State::Accepting, "serving"),
    (State::Draining, "draining"),
    (State::Exiting, "exiting"),
];

fn state_name(state: Option<State>) -> &'static str {
    let state = state.unwrap_or(State::Booting);
    let found = STATES.iter().find(|(known, _)| *known == state);
    found.map_or("booting", |(_, name)| name)
}

pub fn text(snapshot: Snapshot) -> Result<String, fmt::Error> {
    let mut registry = Registry::default();
    registry.register_collector(Box::new(snapshot));
    let mut text = String::new();
    prometheus_client::encoding::text::encode(&mut text, &registry)?;
    Ok(text)
}

type Label<'l> = [(&'static str, &'l str); 1];

impl Collector for Snapshot {
    fn encode(&self, mut encoder: DescriptorEncoder) -> Result<(), fmt::Error> {
        let encoder = &mut encoder;
        self.encode_requests(encoder)?;
        self.encode_waits(encoder)?;
        self.encode_workers(encoder)?;
        self.encode_master(encoder)?;
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
                    let classes = ["none", "1xx", "2xx", "3xx", "4xx", "5xx"];
                    for (class, count) in classes.iter().zip(slot.counters.status) {
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
        let buckets = |slot: &Slot| {
            let counts = &slot.counters.latency;
            let (short, others) = counts.split_at(FIRST_BUCKET);
            let mut buckets = vec![(seconds(1 << (FIRST_BUCKET - 1)), short.iter().sum())];
            let bounds = (FIRST_BUCKET..).map(|n| seconds(1 << n));
            buckets.extend(bounds.zip(others.iter().copied()));
            (seconds(slot.counters.duration_us), buckets)
        };
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
            "rgun_received_bytes",
            "Bytes that clients sent",
            |slot| float(slot.counters.bytes_in),
        )?;
        self.counters(
            encoder,
            "rgun_sent_bytes",
            "Bytes of response bodies sent",
            |slot| float(slot.counters.bytes_out),
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
                (|queue| queue.waiting) as fn(&crate::ipc::Queue) -> u64,
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
                (|size| size.resident) as fn(&Size) -> Option<u64>,
            ),
            (
                "rgun_memory_proportional_bytes",
                "Memory with shared pages divided by their users, within the last 15 seconds",
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

    fn gauges(
        &self,
        encoder: &mut DescriptorEncoder,
        name: &str,
        help: &str,
        value: impl Fn(&Slot) -> Option<f64>,
    ) -> Result<(), fmt::Error> {
        family(encoder, name, help, MetricType::Gauge, |metric| {
            for slot in &self.slots {
                if let Some(value) = value(slot) {
                    metric.encode_family(&slot.label())?.encode_gauge(&value)?;
                }
            }
            Ok(())
        })
    }

    fn counters(
        &self,
        encoder: &mut DescriptorEncoder,
        name: &str,
        help: &str,
        value: impl Fn(&Slot) -> f64,
    ) -> Result<(), fmt::Error> {
        family(encoder, name, help, MetricType::Counter, |metric| {
            for slot in &self.slots {
                let value = value(slot);
                metric
                    .encode_family(&slot.label())?
                    .encode_counter::<NoLabelSet, _, u64>(&value, None)?;
            }
            Ok(())
        })
    }

    /// The last bucket has no upper bound, whatever bound comes with it.
    fn histograms(
        &self,
        encoder: &mut DescriptorEncoder,
        name: &str,
        help: &str,
        value: impl Fn(&Slot) -> (f64, Vec<(f64, u64)>),
    ) -> Result<(), fmt::Error> {
        family(encoder, name, help, MetricType::Histogram, |metric| {
            for slot in &self.slots {
                let (sum, mut buckets) = value(slot);
                if let Some(last) = buckets.last_mut() {
                    last.0 = f64::INFINITY;
                }
                let count = buckets.iter().map(|(_, count)| count).sum();
                metric
                    .encode_family(&slot.label())?
                    .encode_histogram::<NoLabelSet>(sum, count, &buckets, None)?;
            }
            Ok(())
        })
    }
}

impl Slot {
    fn label(&self) -> Label<'_> {
        [("slot", self.name.as_str())]
    }
}

fn family(
    encoder: &mut DescriptorEncoder,
    name: &str,
    help: &str,
    kind: MetricType,
    encode: impl FnOnce(&mut MetricEncoder) -> Result<(), fmt::Error>,
) -> Result<(), fmt::Error> {
    let mut metric = encoder.encode_descriptor(name, help, None, kind)?;
    encode(&mut metric)
}

fn waits(waits: &Waits) -> (f64, Vec<(f64, u64)>) {
    let bounds = (0..).map(|n| float(1 << n) / 1e3);
    let buckets = bounds.zip(waits.counts).collect();
    (float(waits.sum_ms) / 1e3, buckets)
}

/// Of microseconds.
fn seconds(micros: u64) -> f64 {
    float(micros) / 1e6
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ipc::{Queue, Scoreboard};

    #[test]
    fn everything_as_prometheus_reads_it() {
        let board = Scoreboard::create(4).expect("a small mapping");
        let page = board.acquire(1, 3).expect("a page");
        page.set_state(State::Accepting);
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
        let mut facts = Facts {
            target: 2,
            generation: 3,
            reloads: 2,
            reloads_failed: 1,
            ..Facts::default()
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
            &mut Memory::default(),
            &mut Ratios::default(),
            10_000,
        );
        let text = text(snapshot).expect("it fits");
        // What this machine's memory is like is not ours to say.
        let stable: Vec<&str> = text
            .lines()
            .filter(|line| !line.starts_with("rgun_memory"))
            .collect();
        insta::assert_snapshot!(stable.join("\n"));
        assert!(text.contains("rgun_memory_resident_bytes{process=\"monitor\",slot=\"\"} "));
    }
}
