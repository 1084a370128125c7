//! The workers' load from one look at the scoreboard to the next, and what the supervisor has decided by it, in words.

use std::collections::BTreeMap;
use std::time::Duration;

use super::supervisor::{Incarnation, Load, ScaleDecision, ScaleReason, WAITS};
use crate::ipc::Counters;

/// The workers at the last look.
#[derive(Debug, Default)]
pub struct LoadWindow {
    at_us: u64,
    workers: BTreeMap<Incarnation, Look>,
    /// How often the load has added workers, and taken some away.
    pub ups: u64,
    pub downs: u64,
}

#[derive(Debug, Clone, Copy)]
struct Look {
    busy_us: u64,
    waits: [u64; WAITS],
}

impl Look {
    fn of(counters: &Counters) -> Self {
        Self {
            busy_us: counters.busy_us,
            waits: counters.accept_wait.counts,
        }
    }
}

/// A worker now: its counters, and how many threads run its app.
pub type Seen = (Incarnation, Counters, u64);

impl LoadWindow {
    /// The number of workers has followed the load.
    pub fn count(&mut self, decision: &ScaleDecision) {
        let count = if decision.to > decision.from {
            &mut self.ups
        } else {
            &mut self.downs
        };
        *count += 1;
    }

    /// Those that were there at the look before are compared with it.
    pub fn look(&mut self, now_us: u64, waiting: u64, seen: &[Seen]) -> Load {
        let span_us = now_us.saturating_sub(self.at_us).max(1);
        let mut load = Load {
            span: Duration::from_micros(span_us),
            workers: 0,
            least_busy: 1000,
            busy: 0,
            in_flight: 0,
            waits: [0; WAITS],
            waiting,
        };
        let mut looks = BTreeMap::new();
        let mut busy = 0;
        for (incarnation, counters, threads) in seen {
            let look = Look::of(counters);
            looks.insert(*incarnation, look);
            load.in_flight += counters.in_flight();
            let Some(before) = self.workers.get(incarnation) else {
                continue;
            };
            let worked = look.busy_us.saturating_sub(before.busy_us);
            let share = worked * 1000 / (span_us * threads.max(&1));
            let share = u32::try_from(share).unwrap_or(1000).min(1000);
            load.workers += 1;
            load.least_busy = load.least_busy.min(share);
            busy += share;
            let grown = look.waits.iter().zip(before.waits);
            for (sum, (now, before)) in load.waits.iter_mut().zip(grown) {
                *sum += now.saturating_sub(before);
            }
        }
        load.busy = busy / load.workers.max(1);
        (self.at_us, self.workers) = (now_us, looks);
        load
    }
}

/// Each decision in a line, with the numbers behind it.
pub fn log_scaling(decision: &ScaleDecision) {
    let ScaleDecision {
        from,
        to,
        busy,
        waiting,
        in_flight,
        memory,
        ..
    } = *decision;
    let wait_ms = u64::try_from(decision.wait.as_millis()).unwrap_or(u64::MAX);
    let busy = format!("{}%", busy / 10);
    let (free, of_a_worker) = memory.unzip();
    let reason = reason(decision.why);
    tracing::info!(
        event = "workers_scaled",
        from,
        to,
        reason,
        wait_p95_ms = wait_ms,
        busy,
        waiting,
        in_flight,
        memory_free = free,
        of_a_worker,
        "number of workers follows the load"
    );
}

pub fn reason(why: ScaleReason) -> &'static str {
    match why {
        ScaleReason::AcceptWait => "connections wait to be accepted",
        ScaleReason::AllBusy => "all workers are busy",
        ScaleReason::Idle => "workers are idle",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(number: u64, busy_us: u64, third_class: u64) -> Seen {
        let mut counters = Counters {
            busy_us,
            requests: 3,
            ..Counters::default()
        };
        counters.accept_wait.counts[3] = third_class;
        (Incarnation(number), counters, 1)
    }

    #[test]
    fn a_look_is_what_has_happened_since_the_one_before() {
        let mut window = LoadWindow::default();
        window.look(1_000_000, 0, &[seen(1, 500, 7), seen(2, 900, 1)]);
        let now = [
            seen(1, 200_500, 9),
            seen(2, 50_900, 1),
            seen(3, 9_999_999, 5),
        ];
        let load = window.look(1_200_000, 4, &now);
        assert_eq!((load.workers, load.least_busy, load.busy), (2, 250, 625));
        assert_eq!((load.waits[3], load.waiting, load.in_flight), (2, 4, 9));
        assert_eq!(load.span, Duration::from_millis(200));
    }

    #[test]
    fn threads_share_the_time() {
        let mut window = LoadWindow::default();
        let with_four = |busy_us| [(Incarnation(1), seen(1, busy_us, 0).1, 4)];
        window.look(0, 0, &with_four(0));
        assert_eq!(window.look(1_000_000, 0, &with_four(1_000_000)).busy, 250);
    }
}
