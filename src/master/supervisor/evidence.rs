//! Statistical comparison of two generations by the requests of their workers in the same time: whether the new one
//! is worse.
//!
//! A share of failures is worse when it is higher by more than three standard errors of the difference of two
//! proportions (pooled), with at least `FEWEST_FAILURES` failures. Durations are worse when the share of requests
//! slower than the old generation's 95th percentile is higher by as much, and the new 95th percentile lies two
//! buckets later: it is at least twice as long. Three standard errors: the comparison is made once a second, and must
//! not be wrong by chance.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Buckets of durations: index i covers 2^(i-1) to 2^i microseconds.
pub const BUCKETS: usize = 28;

const STANDARD_ERRORS: f64 = 3.0;
/// Fewer are not significant.
const FEWEST_FAILURES: u64 = 5;
/// A generation with fewer requests is not compared.
const FEWEST_REQUESTS: u64 = 20;
/// Shorter durations are dominated by other effects of the machine.
const SHORTEST_MICROS: u64 = 10_000;

/// Requests of one generation's workers since the comparison began.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Figures {
    pub requests: u64,
    /// Responses with a status of 500 and above.
    pub errors: u64,
    /// Exceptions that the app did not handle.
    pub exceptions: u64,
    pub durations: [u64; BUCKETS],
}

impl Default for Figures {
    fn default() -> Self {
        Self {
            requests: 0,
            errors: 0,
            exceptions: 0,
            durations: [0; BUCKETS],
        }
    }
}

/// A generation's figures for reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct EvidenceSummary {
    pub requests: u64,
    pub errors: u64,
    pub exceptions: u64,
    /// The upper end of the bucket with the 95th percentile; zero without requests.
    pub p95: Duration,
}

/// In what respect the new generation is worse.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Regression {
    NotWorse,
    Errors,
    Exceptions,
    Slow,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Evidence {
    pub finding: Regression,
    pub old: EvidenceSummary,
    pub new: EvidenceSummary,
}

impl Evidence {
    pub(super) fn of(old: &Figures, new: &Figures) -> Self {
        let finding = if old.requests < FEWEST_REQUESTS || new.requests < FEWEST_REQUESTS {
            Regression::NotWorse
        } else if is_higher((old.errors, old.requests), (new.errors, new.requests)) {
            Regression::Errors
        } else if is_higher(
            (old.exceptions, old.requests),
            (new.exceptions, new.requests),
        ) {
            Regression::Exceptions
        } else if is_slower(old, new) {
            Regression::Slow
        } else {
            Regression::NotWorse
        };
        Self {
            finding,
            old: old.summary(),
            new: new.summary(),
        }
    }
}

impl Figures {
    fn summary(&self) -> EvidenceSummary {
        EvidenceSummary {
            requests: self.requests,
            errors: self.errors,
            exceptions: self.exceptions,
            p95: self
                .p95()
                .map_or(Duration::ZERO, |bucket| Duration::from_micros(1 << bucket)),
        }
    }

    /// The bucket of the 95th percentile.
    fn p95(&self) -> Option<usize> {
        let all: u64 = self.durations.iter().sum();
        let mut below = 0;
        self.durations.iter().position(|count| {
            below += count;
            all > 0 && below * 20 >= all * 19
        })
    }

    fn longer_than(&self, bucket: usize) -> u64 {
        self.durations.iter().skip(bucket + 1).sum()
    }
}

fn is_slower(old: &Figures, new: &Figures) -> bool {
    let (Some(before), Some(now)) = (old.p95(), new.p95()) else {
        return false;
    };
    let all = |figures: &Figures| figures.durations.iter().sum::<u64>();
    now >= before + 2
        && 1_u64 << now > SHORTEST_MICROS
        && is_higher(
            (old.longer_than(before), all(old)),
            (new.longer_than(before), all(new)),
        )
}

/// Whether the second share is significantly higher than the first. Each is `(count, of)`.
#[allow(
    clippy::cast_precision_loss,
    reason = "counts of requests, compared with a tolerance"
)]
fn is_higher((old, of_old): (u64, u64), (new, of_new): (u64, u64)) -> bool {
    if new < FEWEST_FAILURES || of_old == 0 || of_new == 0 {
        return false;
    }
    // One request can raise several exceptions (a background task).
    let part = |count: u64, of: u64| (count as f64 / of as f64).min(1.0);
    let pooled = part(old + new, of_old + of_new);
    let error = (pooled * (1.0 - pooled) * (1.0 / of_old as f64 + 1.0 / of_new as f64)).sqrt();
    part(new, of_new) - part(old, of_old) > STANDARD_ERRORS * error
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figures(requests: u64, errors: u64, exceptions: u64, durations: &[(usize, u64)]) -> Figures {
        let mut figures = Figures {
            requests,
            errors,
            exceptions,
            ..Figures::default()
        };
        for (bucket, count) in durations {
            figures.durations[*bucket] = *count;
        }
        figures
    }

    fn finding(old: Figures, new: Figures) -> Regression {
        Evidence::of(&old, &new).finding
    }

    #[test]
    fn failures_are_found_when_there_are_enough_of_them() {
        for (old, new, expected) in [
            ((1000, 0), (100, 4), Regression::NotWorse),
            ((1000, 0), (100, 5), Regression::Errors),
            ((1000, 1), (19, 19), Regression::NotWorse),
            ((1000, 1), (20, 20), Regression::Errors),
            ((10, 0), (1000, 1000), Regression::NotWorse),
            // Both are bad: not caused by the new version.
            ((1000, 100), (100, 12), Regression::NotWorse),
            ((1000, 1000), (100, 100), Regression::NotWorse),
            ((1000, 100), (100, 25), Regression::Errors),
            ((100, 10), (100, 0), Regression::NotWorse),
        ] {
            let of = |(requests, errors): (u64, u64)| figures(requests, errors, 0, &[]);
            assert_eq!(finding(of(old), of(new)), expected, "{old:?} {new:?}");
        }
        let (old, new) = (figures(500, 0, 0, &[]), figures(100, 0, 30, &[]));
        assert_eq!(finding(old, new), Regression::Exceptions);
    }

    #[test]
    fn slowness_is_found_in_the_tail() {
        let old = figures(1000, 0, 0, &[(12, 970), (13, 30)]);
        let slow = figures(100, 0, 0, &[(12, 80), (15, 20)]);
        let evidence = Evidence::of(&old, &slow);
        assert_eq!(evidence.finding, Regression::Slow);
        assert_eq!(evidence.old.p95, Duration::from_micros(4096));
        assert_eq!(evidence.new.p95, Duration::from_micros(32768));
        let same = figures(100, 0, 0, &[(12, 95), (15, 5)]);
        assert_eq!(finding(old, same), Regression::NotWorse);
        // Microseconds.
        let old = figures(1000, 0, 0, &[(6, 1000)]);
        let new = figures(100, 0, 0, &[(6, 50), (8, 50)]);
        assert_eq!(finding(old, new), Regression::NotWorse);
    }

    #[test]
    fn the_same_version_is_rarely_found_worse() {
        // Checked as often as in a canary of five minutes, for many canaries; 2 % fail in both.
        let mut chance = super::super::chance::Chance::new(7);
        let mut wrong = 0;
        for _ in 0..200 {
            let (mut old, mut new) = (Figures::default(), Figures::default());
            for _ in 0..300 {
                for _ in 0..10 {
                    let figures = if chance.up_to(9) == 0 {
                        &mut new
                    } else {
                        &mut old
                    };
                    figures.requests += 1;
                    figures.errors += u64::from(chance.up_to(49) == 0);
                    let bucket = usize::try_from(chance.up_to(3)).expect("small") + 12;
                    figures.durations[bucket] += 1;
                }
                if finding(old, new) != Regression::NotWorse {
                    wrong += 1;
                    break;
                }
            }
        }
        assert!(wrong <= 10, "{wrong} of 200");
    }

    #[test]
    fn any_figures_are_compared() {
        let most = figures(
            u64::MAX / 40,
            u64::MAX / 40,
            u64::MAX / 40,
            &[(27, u64::MAX / 40)],
        );
        assert_eq!(finding(most, most), Regression::NotWorse);
        assert_eq!(
            finding(Figures::default(), Figures::default()),
            Regression::NotWorse
        );
    }
}
