//! The requests of two generations since a canary began: counted by worker, so that one that exits removes none, and
//! one that is counted later adds none from before. The supervisor judges them.

use std::collections::BTreeMap;

use super::supervisor::{BUCKETS, Figures, Generation, Incarnation};
use crate::ipc::Counters;

/// The canary that is judged, and the workers of both generations.
#[derive(Debug, Default)]
pub struct CanaryWindow {
    canary: Option<Generation>,
    workers: BTreeMap<Incarnation, Counted>,
}

#[derive(Debug)]
struct Counted {
    generation: Generation,
    /// At the beginning of the canary.
    before: Figures,
    last: Figures,
}

impl CanaryWindow {
    /// A second canary starts from zero.
    pub fn begin(&mut self, canary: Generation) -> Beginning {
        if self.canary == Some(canary) {
            return Beginning::Before;
        }
        (self.canary, self.workers) = (Some(canary), BTreeMap::new());
        Beginning::Now
    }

    pub fn count(
        &mut self,
        incarnation: Incarnation,
        generation: Generation,
        figures: Figures,
        beginning: Beginning,
    ) {
        let counted = self.workers.entry(incarnation).or_insert(Counted {
            generation,
            before: match beginning {
                Beginning::Now => figures,
                // It started later: all its requests count.
                Beginning::Before => Figures::default(),
            },
            last: figures,
        });
        counted.last = figures;
    }

    pub fn sum(&self, generation: Generation) -> Figures {
        let workers = self.workers.values();
        workers
            .filter(|counted| counted.generation == generation)
            .fold(Figures::default(), |sum, counted| {
                plus(sum, &counted.last, &counted.before)
            })
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Beginning {
    Now,
    Before,
}

fn plus(sum: Figures, last: &Figures, before: &Figures) -> Figures {
    let mut durations = sum.durations;
    let grown = last.durations.iter().zip(before.durations);
    for (sum, (last, before)) in durations.iter_mut().zip(grown) {
        *sum += last.saturating_sub(before);
    }
    Figures {
        requests: sum.requests + last.requests.saturating_sub(before.requests),
        errors: sum.errors + last.errors.saturating_sub(before.errors),
        exceptions: sum.exceptions + last.exceptions.saturating_sub(before.exceptions),
        durations,
    }
}

/// Completed requests, with a response or without one.
pub fn figures(counters: &Counters) -> Figures {
    let [unanswered, .., errors] = counters.status;
    let mut durations = [0; BUCKETS];
    for (here, there) in durations.iter_mut().zip(counters.latency) {
        *here = there;
    }
    Figures {
        requests: counters.status.iter().sum::<u64>() - unanswered,
        errors,
        exceptions: counters.exceptions,
        durations,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn requests(requests: u64) -> Figures {
        Figures {
            requests,
            ..Figures::default()
        }
    }

    #[test]
    fn what_was_before_does_not_count_and_what_has_ended_does() {
        let (old, canary) = (Generation(1), Generation(2));
        let mut window = CanaryWindow::default();
        let first = window.begin(canary);
        window.count(Incarnation(1), old, requests(1000), first);
        window.count(Incarnation(2), canary, requests(5), first);
        let later = window.begin(canary);
        window.count(Incarnation(1), old, requests(1010), later);
        window.count(Incarnation(3), old, requests(7), later);
        // Incarnation 1 has exited.
        let later = window.begin(canary);
        window.count(Incarnation(3), old, requests(9), later);
        assert_eq!(window.sum(old).requests, 10 + 9);
        assert_eq!(window.sum(canary).requests, 0);
        assert_eq!(window.begin(Generation(3)), Beginning::Now);
        assert_eq!(window.sum(old).requests, 0);
    }

    #[test]
    fn requests_without_an_answer_are_no_evidence() {
        let counters = Counters {
            status: [3, 0, 10, 0, 2, 1],
            exceptions: 4,
            ..Counters::default()
        };
        let figures = figures(&counters);
        assert_eq!((figures.requests, figures.errors), (13, 1));
        assert_eq!(figures.exceptions, 4);
    }
}
