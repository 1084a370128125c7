//! Families of metrics of one kind, a value of each slot in them.

use std::fmt;

use prometheus_client::encoding::{DescriptorEncoder, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;

use super::ratio::float;
use super::snapshot::{SlotSnapshot, Snapshot};
use crate::ipc::{Counters, WaitHistogram};

/// Of statuses; none: without an answer.
pub const CLASSES: [&str; 6] = ["none", "1xx", "2xx", "3xx", "4xx", "5xx"];
/// Requests of less than 64 µs share a bucket: differences below that do not matter.
const FIRST_BUCKET: usize = 6;

pub type Label<'l> = [(&'static str, &'l str); 1];

impl Snapshot {
    pub fn gauges(
        &self,
        encoder: &mut DescriptorEncoder,
        name: &str,
        help: &str,
        value: impl Fn(&SlotSnapshot) -> Option<f64>,
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

    pub fn counters(
        &self,
        encoder: &mut DescriptorEncoder,
        name: &str,
        help: &str,
        value: impl Fn(&SlotSnapshot) -> f64,
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
    pub fn histograms(
        &self,
        encoder: &mut DescriptorEncoder,
        name: &str,
        help: &str,
        value: impl Fn(&SlotSnapshot) -> (f64, Vec<(f64, u64)>),
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

impl SlotSnapshot {
    fn label(&self) -> Label<'_> {
        [("slot", self.name.as_str())]
    }
}

pub fn family(
    encoder: &mut DescriptorEncoder,
    name: &str,
    help: &str,
    kind: MetricType,
    encode: impl FnOnce(&mut MetricEncoder) -> Result<(), fmt::Error>,
) -> Result<(), fmt::Error> {
    let mut metric = encoder.encode_descriptor(name, help, None, kind)?;
    encode(&mut metric)
}

pub fn waits(waits: &WaitHistogram) -> (f64, Vec<(f64, u64)>) {
    let bounds = (0..).map(|n| float(1 << n) / 1e3);
    let buckets = bounds.zip(waits.counts).collect();
    (float(waits.sum_ms) / 1e3, buckets)
}

/// From the end of a request's head to the last byte of its response.
pub fn durations(counters: &Counters) -> (f64, Vec<(f64, u64)>) {
    let (short, others) = counters.latency.split_at(FIRST_BUCKET);
    let mut buckets = vec![(seconds(1 << (FIRST_BUCKET - 1)), short.iter().sum())];
    let bounds = (FIRST_BUCKET..).map(|n| seconds(1 << n));
    buckets.extend(bounds.zip(others.iter().copied()));
    (seconds(counters.duration_us), buckets)
}

/// Of microseconds.
pub fn seconds(micros: u64) -> f64 {
    float(micros) / 1e6
}
