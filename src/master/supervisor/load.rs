//! How loaded the workers are, from one look at them to the next: what scaling is decided by.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Classes of waits.
pub const WAITS: usize = 18;
/// Two looks together are judged: one alone is a quarter of a second.
const LOOKS: usize = 2;
/// A look's part in the average that idleness is judged by, as a divisor: it follows within two seconds.
const SMOOTHING: u32 = 8;
/// Thousandths: every worker that is busy for so much of its time is at its limit.
const FULL: u32 = 900;
/// Thousandths: below this there are more workers than the load needs.
const IDLE: u32 = 400;

/// Of the workers that serve, since the look before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Load {
    /// Since the look before.
    pub span: Duration,
    /// How many workers were looked at.
    pub workers: u32,
    /// Thousandths of the time in which the least busy one was busy.
    pub least_busy: u32,
    /// The same of all together.
    pub busy: u32,
    pub in_flight: u64,
    /// Connections that were accepted, by how long they had waited. Index i: less than 2^i ms, and not less than half of that.
    pub waits: [u64; WAITS],
    /// Connections that wait to be accepted.
    pub waiting: u64,
}

/// What the number of workers was changed for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum ScaleReason {
    AcceptWait,
    AllBusy,
    Idle,
}

/// A change of the number of workers, with the numbers that it was decided by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScaleDecision {
    pub why: ScaleReason,
    pub from: u32,
    pub to: u32,
    /// Thousandths of the workers' time, smoothed.
    pub busy: u32,
    /// The 95th percentile of the time until connections were accepted.
    pub wait: Duration,
    /// Connections that wait to be accepted.
    pub waiting: u64,
    pub in_flight: u64,
    /// Bytes that were free, and what a worker takes; `None`: there is no limit, or a worker less needs none.
    pub memory: Option<(u64, u64)>,
}

/// Why there should be more workers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pressure {
    /// Connections wait too long, or several times that.
    Waits {
        urgent: bool,
    },
    AllBusy,
}

/// The latest looks.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Window {
    looks: Vec<Load>,
    /// Smoothed, in thousandths.
    average: Option<u32>,
}

impl Window {
    pub(super) fn add(&mut self, mut load: Load) {
        if let Some(before) = self.looks.last()
            && load.waits.iter().all(|count| *count == 0)
        {
            // Nobody has taken those that waited then, so they have waited for the whole span.
            let stayed = before.waiting.min(load.waiting);
            if let Some(count) = load.waits.get_mut(class_of(load.span)) {
                *count += stayed;
            }
        }
        let average = self.average.unwrap_or(load.busy);
        // Rounded up or down to where it goes, or it would never arrive.
        self.average = Some(if load.busy > average {
            average + (load.busy - average).div_ceil(SMOOTHING)
        } else {
            average - (average - load.busy).div_ceil(SMOOTHING)
        });
        if self.looks.len() == LOOKS {
            self.looks.remove(0);
        }
        self.looks.push(load);
    }

    /// The workers have changed: what was seen before says nothing of them.
    pub(super) fn forget_looks(&mut self) {
        self.looks.clear();
    }

    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    pub(super) fn is_full(&self) -> bool {
        self.looks.len() == LOOKS
    }

    pub(super) fn span(&self) -> Duration {
        self.looks.iter().map(|look| look.span).sum()
    }

    pub(super) fn last(&self) -> Option<&Load> {
        self.looks.last()
    }

    /// Thousandths, smoothed.
    pub(super) fn busy(&self) -> u32 {
        self.average.unwrap_or(1000)
    }

    pub(super) fn is_idle(&self) -> bool {
        self.busy() < IDLE
    }

    pub(super) fn pressure(&self, target: Duration) -> Option<Pressure> {
        let wait = self.wait();
        if wait > target {
            return Some(Pressure::Waits {
                urgent: wait > target * 4,
            });
        }
        let full = |look: &Load| look.workers > 0 && look.least_busy >= FULL;
        (self.is_full() && self.looks.iter().all(full)).then_some(Pressure::AllBusy)
    }

    /// 19 of 20 connections have waited no longer; interpolated within its class.
    pub(super) fn wait(&self) -> Duration {
        let mut counts = [0_u64; WAITS];
        for look in &self.looks {
            for (sum, count) in counts.iter_mut().zip(look.waits) {
                *sum += count;
            }
        }
        let all: u64 = counts.iter().sum();
        let rank = (all * 19).div_ceil(20);
        let mut below = 0;
        for (class, count) in counts.into_iter().enumerate() {
            if below + count >= rank && count > 0 {
                let (low, high) = bounds(class);
                let micros = (high - low) * 1000 * (rank - below) / count;
                return Duration::from_micros(low * 1000 + micros);
            }
            below += count;
        }
        Duration::ZERO
    }
}

/// In milliseconds.
fn bounds(class: usize) -> (u64, u64) {
    match class {
        // Those of less than a millisecond.
        0 => (0, 1),
        class => (1 << (class - 1), 1 << class),
    }
}

fn class_of(wait: Duration) -> usize {
    let ms = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
    ((u64::BITS - ms.leading_zeros()) as usize).min(WAITS - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TARGET: Duration = Duration::from_millis(10);

    fn load(busy: u32, waits: &[(usize, u64)], waiting: u64) -> Load {
        let mut counts = [0; WAITS];
        for (class, count) in waits {
            counts[*class] = *count;
        }
        Load {
            span: Duration::from_millis(250),
            workers: 2,
            least_busy: busy,
            busy,
            in_flight: 0,
            waits: counts,
            waiting,
        }
    }

    fn window(looks: impl IntoIterator<Item = Load>) -> Window {
        let mut window = Window::default();
        looks.into_iter().for_each(|look| window.add(look));
        window
    }

    #[test]
    fn one_of_twenty_may_wait_longer() {
        let mostly = window([load(100, &[(0, 19), (8, 1)], 0)]);
        assert!(mostly.wait() <= Duration::from_millis(1));
        assert_eq!(mostly.pressure(TARGET), None);
        let some = window([load(100, &[(0, 18), (5, 2)], 0)]);
        // From 16 to 32 ms.
        assert_eq!(some.wait(), Duration::from_millis(24));
        assert_eq!(
            some.pressure(TARGET),
            Some(Pressure::Waits { urgent: false })
        );
        let urgent = window([load(100, &[(7, 3)], 0)]);
        assert_eq!(
            urgent.pressure(TARGET),
            Some(Pressure::Waits { urgent: true })
        );
        assert_eq!(window([]).wait(), Duration::ZERO);
    }

    #[test]
    fn connections_that_no_worker_takes_have_waited() {
        let new = window([load(1000, &[], 0), load(1000, &[], 5)]);
        assert_eq!(new.wait(), Duration::ZERO);
        let old = window([load(500, &[], 5), load(500, &[], 7)]);
        assert!(old.wait() >= Duration::from_millis(128), "{:?}", old.wait());
        let served = window([load(500, &[], 5), load(500, &[(1, 90)], 7)]);
        assert!(served.wait() < Duration::from_millis(3));
    }

    #[test]
    fn all_are_busy_when_the_least_busy_one_is() {
        let full = || load(950, &[], 0);
        assert_eq!(window([full()]).pressure(TARGET), None);
        assert_eq!(
            window([full(), full()]).pressure(TARGET),
            Some(Pressure::AllBusy)
        );
        assert_eq!(window([full(), load(890, &[], 0)]).pressure(TARGET), None);
        assert_eq!(
            window([load(100, &[], 0), full(), full()]).pressure(TARGET),
            Some(Pressure::AllBusy)
        );
    }

    #[test]
    fn idleness_is_an_average() {
        let mut window = window([load(1000, &[], 0)]);
        let looks = (1..100).find(|_| {
            window.add(load(0, &[], 0));
            window.is_idle()
        });
        assert_eq!(looks, Some(7));
        window.add(load(1000, &[], 0));
        assert!(!window.is_idle());
    }
}
