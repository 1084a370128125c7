//! Companions as metrics.

use std::fmt;

use prometheus_client::encoding::{DescriptorEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;

use super::companion::CompanionSample;
use super::families::{Label, family};

pub fn encode(all: &[CompanionSample], encoder: &mut DescriptorEncoder) -> Result<(), fmt::Error> {
    if all.is_empty() {
        return Ok(());
    }
    let help = "Whether a companion (--beside) runs";
    family(
        encoder,
        "rgun_companion_up",
        help,
        MetricType::Gauge,
        |metric| {
            for companion in all {
                let labels: Label = [("name", companion.name.as_str())];
                let up = u64::from(companion.runs);
                metric.encode_family(&labels)?.encode_gauge(&up)?;
            }
            Ok(())
        },
    )?;
    let help = "How often a companion was started again because it had ended unasked";
    let name = "rgun_companion_restarts";
    family(encoder, name, help, MetricType::Counter, |metric| {
        for companion in all {
            let labels: Label = [("name", companion.name.as_str())];
            metric
                .encode_family(&labels)?
                .encode_counter::<NoLabelSet, _, u64>(&companion.restarts, None)?;
        }
        Ok(())
    })
}
