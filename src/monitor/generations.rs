//! What each generation has answered, for as long as it has workers. The scoreboard counts by slot, and by worker while that one lives;
//! so what a worker had counted when it was seen last is kept here.

use std::collections::BTreeMap;

use crate::ipc::{Counters, Page};

/// Counted on from one look to the next.
#[derive(Debug, Default)]
pub struct GenerationTotals {
    generations: BTreeMap<u64, GenerationWorkers>,
}

#[derive(Debug, Default)]
struct GenerationWorkers {
    /// Of those that have ended.
    ended: Counters,
    /// By pid.
    living: BTreeMap<u64, Counters>,
}

/// One generation at one moment.
#[derive(Debug)]
pub struct GenerationSample {
    pub name: String,
    pub workers: u64,
    pub counters: Counters,
}

impl GenerationTotals {
    /// The generations that have workers, in their order.
    pub fn look(&mut self, living: impl Iterator<Item = Page>) -> Vec<GenerationSample> {
        let seen = living.map(|page| (page.generation(), page.pid(), page.counters()));
        self.count(seen)
    }

    fn count(&mut self, seen: impl Iterator<Item = (u64, u64, Counters)>) -> Vec<GenerationSample> {
        let mut now: BTreeMap<u64, BTreeMap<u64, Counters>> = BTreeMap::new();
        for (generation, pid, counters) in seen {
            now.entry(generation).or_default().insert(pid, counters);
        }
        let mut before = std::mem::take(&mut self.generations);
        let mut samples = Vec::new();
        for (generation, living) in now {
            let mut known = before.remove(&generation).unwrap_or_default();
            for (pid, counters) in std::mem::take(&mut known.living) {
                if !living.contains_key(&pid) {
                    known.ended = known.ended.plus(&counters);
                }
            }
            known.living = living;
            let all = known.living.values();
            samples.push(GenerationSample {
                name: generation.to_string(),
                workers: u64::try_from(known.living.len()).unwrap_or(u64::MAX),
                counters: all.fold(known.ended.clone(), |sum, one| sum.plus(one)),
            });
            self.generations.insert(generation, known);
        }
        samples
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn requests(requests: u64) -> Counters {
        Counters {
            requests,
            ..Counters::default()
        }
    }

    #[test]
    fn a_generation_counts_on_when_its_workers_are_replaced_and_ends_with_the_last_one() {
        let mut totals = GenerationTotals::default();
        let mut look = |seen: &[(u64, u64, u64)]| -> Vec<(String, u64, u64)> {
            let seen = seen.iter();
            let samples = totals.count(seen.map(|(g, pid, count)| (*g, *pid, requests(*count))));
            let each = samples.into_iter();
            each.map(|it| (it.name, it.workers, it.counters.requests))
                .collect()
        };
        assert_eq!(look(&[(1, 10, 5), (1, 11, 7)]), [("1".into(), 2, 12)]);
        let both = [("1".into(), 2, 13), ("2".into(), 1, 3)];
        assert_eq!(look(&[(1, 10, 6), (1, 12, 0), (2, 20, 3)]), both);
        assert_eq!(look(&[(2, 20, 4)]), [("2".into(), 1, 4)]);
        assert_eq!(look(&[]), []);
    }
}
