//! Metrics by generation: during a rollout two versions answer, and are to be compared.

use std::fmt;

use prometheus_client::encoding::{DescriptorEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;

use super::families::{CLASSES, Label, durations, family};
use super::generations::GenerationSample;

pub fn encode(
    generations: &[GenerationSample],
    encoder: &mut DescriptorEncoder,
) -> Result<(), fmt::Error> {
    let help = "Requests that ended, by the generation of the worker and class of status";
    family(
        encoder,
        "rgun_generation_requests",
        help,
        MetricType::Counter,
        |metric| {
            for one in generations {
                for (class, count) in CLASSES.iter().zip(one.counters.status) {
                    let labels = [("generation", one.name.as_str()), ("class", *class)];
                    metric
                        .encode_family(&labels)?
                        .encode_counter::<NoLabelSet, _, u64>(&count, None)?;
                }
            }
            Ok(())
        },
    )?;
    let help = "Exceptions that left the app, by the generation of the worker";
    family(
        encoder,
        "rgun_generation_exceptions",
        help,
        MetricType::Counter,
        |metric| {
            for one in generations {
                metric
                    .encode_family(&one.label())?
                    .encode_counter::<NoLabelSet, _, u64>(&one.counters.exceptions, None)?;
            }
            Ok(())
        },
    )?;
    let help = "As rgun_request_duration_seconds, by the generation of the worker";
    family(
        encoder,
        "rgun_generation_request_duration_seconds",
        help,
        MetricType::Histogram,
        |metric| {
            for one in generations {
                let (sum, mut buckets) = durations(&one.counters);
                if let Some(last) = buckets.last_mut() {
                    last.0 = f64::INFINITY;
                }
                let count = buckets.iter().map(|(_, count)| count).sum();
                metric
                    .encode_family(&one.label())?
                    .encode_histogram::<NoLabelSet>(sum, count, &buckets, None)?;
            }
            Ok(())
        },
    )?;
    let help = "Workers of each generation";
    family(
        encoder,
        "rgun_generation_workers",
        help,
        MetricType::Gauge,
        |metric| {
            for one in generations {
                metric
                    .encode_family(&one.label())?
                    .encode_gauge(&one.workers)?;
            }
            Ok(())
        },
    )
}

impl GenerationSample {
    fn label(&self) -> Label<'_> {
        [("generation", self.name.as_str())]
    }
}
