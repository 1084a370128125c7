//! Metrics of Python's garbage collector.

use std::fmt;

use prometheus_client::encoding::{DescriptorEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;

use super::families::{family, seconds};
use super::ratio::float;
use super::snapshot::Snapshot;
use crate::ipc::GarbageCounters;

/// A number of one generation.
type Value = fn(&GarbageCounters, usize) -> f64;

pub fn encode(snapshot: &Snapshot, encoder: &mut DescriptorEncoder) -> Result<(), fmt::Error> {
    let families: [(&str, &str, Value); 2] = [
        (
            "rgun_gc_seconds",
            "Time that Python's garbage collections took, by the oldest generation that was collected; 2: all objects",
            |counters, generation| seconds(counters.time_us[generation]),
        ),
        (
            "rgun_gc_collections",
            "Python's garbage collections, by the oldest generation that was collected",
            |counters, generation| float(counters.collections[generation]),
        ),
    ];
    for (name, help, value) in families {
        family(encoder, name, help, MetricType::Counter, |metric| {
            for slot in &snapshot.slots {
                for (generation, label) in ["0", "1", "2"].into_iter().enumerate() {
                    let labels = [("slot", slot.name.as_str()), ("generation", label)];
                    let value = value(&slot.counters.garbage, generation);
                    metric
                        .encode_family(&labels)?
                        .encode_counter::<NoLabelSet, _, u64>(&value, None)?;
                }
            }
            Ok(())
        })?;
    }
    Ok(())
}
