//! The share of its time that a slot was busy since the last request for it.

use std::collections::BTreeMap;

/// Requests closer together than that get the last result.
const APART_MS: u64 = 1_000;

#[derive(Debug, Default)]
pub struct Ratios {
    at_ms: u64,
    busy_us: BTreeMap<u32, u64>,
    last: BTreeMap<u32, f64>,
}

impl Ratios {
    /// `slots`: slot, busy microseconds so far, threads. The ratio before the first request is unknown.
    pub fn look(&mut self, now_ms: u64, slots: &[(u32, u64, u64)]) -> &BTreeMap<u32, f64> {
        let apart = now_ms.saturating_sub(self.at_ms);
        if apart >= APART_MS {
            self.last = slots
                .iter()
                .filter_map(|(slot, busy, threads)| {
                    let before = self.busy_us.get(slot)?;
                    let whole = apart.saturating_mul(1_000).saturating_mul(*threads);
                    let ratio = float(busy.saturating_sub(*before)) / float(whole.max(1));
                    Some((*slot, ratio.min(1.0)))
                })
                .collect();
            self.at_ms = now_ms;
            self.busy_us = slots.iter().map(|(slot, busy, _)| (*slot, *busy)).collect();
        }
        &self.last
    }
}

/// Exact up to 2^53.
#[allow(clippy::cast_precision_loss, reason = "a ratio for people")]
pub fn float(number: u64) -> f64 {
    number as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ratio_is_of_the_time_between_two_questions() {
        let mut ratios = Ratios::default();
        assert!(ratios.look(10_000, &[(0, 500, 1), (1, 0, 4)]).is_empty());
        assert!(
            ratios.look(10_900, &[(0, 900_000, 1)]).is_empty(),
            "too soon"
        );
        let found = ratios.look(12_000, &[(0, 1_000_500, 1), (1, 2_000_000, 4), (2, 9, 1)]);
        assert_eq!(found.keys().copied().collect::<Vec<_>>(), [0, 1]);
        assert!((found[&0] - 0.5).abs() < 1e-9 && (found[&1] - 0.25).abs() < 1e-9);
        let again = ratios.look(12_500, &[(0, 1_500_500, 1)]);
        assert!((again[&0] - 0.5).abs() < 1e-9);
    }
}
