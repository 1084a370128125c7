//! `--gc idle`: the moments for full garbage collections. Facts and times in, decisions out.

use std::time::Duration;

/// A worker without requests for this long is idle.
const IDLE: Duration = Duration::from_millis(5);
/// A due collection waits for an idle moment until it is due so many times over,
const MOST_TIMES_DUE: u64 = 10;
/// or for so long.
const LONGEST_WAIT: Duration = Duration::from_secs(60);
/// While requests are in flight, their end is looked for at this interval: a response that waits for its client ends without Python.
const NEXT_LOOK: Duration = Duration::from_millis(100);

pub struct CollectionSchedule {
    /// So many pending collections make a full one due: the interpreter's own threshold.
    threshold: u64,
    due_since: Option<Duration>,
    /// So many were pending when the interpreter was last asked, and has not collected.
    refused: u64,
    idle: Option<IdlePeriod>,
}

/// No request was in flight since then, and the worker had begun so many.
#[derive(Clone, Copy)]
struct IdlePeriod {
    since: Duration,
    requests: u64,
}

/// The worker at one moment.
#[derive(Debug, Clone, Copy)]
pub struct CollectionFacts {
    /// Monotonic.
    pub now: Duration,
    /// Collections of the next younger generation since the last full one.
    pub pending: u64,
    /// Requests begun.
    pub requests: u64,
    pub in_flight: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NextCollection {
    NotDue,
    LookAgainAfter(Duration),
    Now,
}

impl CollectionSchedule {
    pub fn new(threshold: u64) -> Self {
        Self {
            threshold: threshold.max(1),
            due_since: None,
            refused: 0,
            idle: None,
        }
    }

    /// The interpreter was asked for a collection; so many are pending now. It refuses one while few objects have survived
    /// since the last.
    pub fn offered(&mut self, pending: u64) {
        self.refused = pending;
    }

    pub fn next(&mut self, facts: CollectionFacts) -> NextCollection {
        self.refused = self.refused.min(facts.pending);
        let pending = facts.pending - self.refused;
        // The interpreter's own comparison.
        if pending <= self.threshold {
            self.due_since = None;
            self.idle = None;
            return NextCollection::NotDue;
        }
        let due_since = *self.due_since.get_or_insert(facts.now);
        if pending > self.threshold.saturating_mul(MOST_TIMES_DUE)
            || facts.now.saturating_sub(due_since) >= LONGEST_WAIT
        {
            return self.now();
        }
        if facts.in_flight > 0 {
            self.idle = None;
            return NextCollection::LookAgainAfter(NEXT_LOOK);
        }
        let idle = self
            .idle
            .filter(|idle| idle.requests == facts.requests)
            .unwrap_or(IdlePeriod {
                since: facts.now,
                requests: facts.requests,
            });
        self.idle = Some(idle);
        let left = IDLE.saturating_sub(facts.now.saturating_sub(idle.since));
        if left.is_zero() {
            return self.now();
        }
        NextCollection::LookAgainAfter(left)
    }

    fn now(&mut self) -> NextCollection {
        self.due_since = None;
        self.idle = None;
        NextCollection::Now
    }
}

#[cfg(test)]
mod tests {
    use NextCollection::{LookAgainAfter, NotDue, Now};

    use super::*;

    fn facts(ms: u64, pending: u64, requests: u64, in_flight: u32) -> CollectionFacts {
        CollectionFacts {
            now: Duration::from_millis(ms),
            pending,
            requests,
            in_flight,
        }
    }

    #[test]
    fn a_due_collection_waits_for_five_milliseconds_without_a_request() {
        let mut schedule = CollectionSchedule::new(10);
        assert_eq!(schedule.next(facts(0, 10, 1, 0)), NotDue);
        assert_eq!(
            schedule.next(facts(1, 11, 2, 1)),
            LookAgainAfter(NEXT_LOOK),
            "a request is in flight"
        );
        assert_eq!(schedule.next(facts(2, 11, 2, 0)), LookAgainAfter(IDLE));
        assert_eq!(
            schedule.next(facts(6, 11, 2, 0)),
            LookAgainAfter(Duration::from_millis(1))
        );
        assert_eq!(
            schedule.next(facts(7, 11, 3, 0)),
            LookAgainAfter(IDLE),
            "a whole request between two looks"
        );
        assert_eq!(schedule.next(facts(12, 11, 3, 0)), Now);
        assert_eq!(schedule.next(facts(12, 0, 3, 0)), NotDue);
    }

    #[test]
    fn a_worker_that_is_never_idle_collects_at_a_bound() {
        let mut schedule = CollectionSchedule::new(10);
        assert_eq!(
            schedule.next(facts(0, 100, 1, 1)),
            LookAgainAfter(NEXT_LOOK)
        );
        assert_eq!(schedule.next(facts(1, 101, 2, 1)), Now);
        schedule.offered(0);
        assert_eq!(schedule.next(facts(2, 11, 3, 1)), LookAgainAfter(NEXT_LOOK));
        assert_eq!(
            schedule.next(facts(60_001, 12, 9, 1)),
            LookAgainAfter(NEXT_LOOK)
        );
        assert_eq!(schedule.next(facts(60_002, 12, 9, 1)), Now);
    }

    #[test]
    fn what_the_interpreter_refuses_is_due_again_after_as_many_more() {
        let mut schedule = CollectionSchedule::new(10);
        schedule.offered(12);
        assert_eq!(schedule.next(facts(0, 22, 1, 0)), NotDue);
        assert_eq!(schedule.next(facts(1, 23, 1, 0)), LookAgainAfter(IDLE));
        assert_eq!(schedule.next(facts(2, 113, 2, 1)), Now, "the bound");
        schedule.offered(0);
        assert_eq!(schedule.next(facts(3, 11, 3, 0)), LookAgainAfter(IDLE));
    }

    #[test]
    fn what_someone_else_has_collected_is_not_due_any_more() {
        let mut schedule = CollectionSchedule::new(10);
        assert_eq!(schedule.next(facts(0, 11, 1, 0)), LookAgainAfter(IDLE));
        assert_eq!(schedule.next(facts(9, 0, 1, 0)), NotDue);
        assert_eq!(schedule.next(facts(10, 11, 1, 0)), LookAgainAfter(IDLE));
    }
}
