//! The timer table of connections, by tick, so that an idle connection costs nothing until its deadline.

use std::collections::BTreeMap;

use super::key::ConnKey;

/// In milliseconds: the precision of deadlines.
pub const TICK_MS: u64 = 250;

/// A tick, counted from the zero of the monotonic clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Tick(u64);

impl Tick {
    /// Later than every other.
    pub const NEVER: Self = Self(u64::MAX);

    /// The first tick that is not before that time, in milliseconds.
    pub fn at(ms: u64) -> Self {
        Self(ms.div_ceil(TICK_MS))
    }

    /// The first tick after that time.
    pub fn after(ms: u64) -> Self {
        Self(ms / TICK_MS + 1)
    }
}

#[derive(Debug, Default)]
pub struct Timers {
    by_tick: BTreeMap<Tick, Vec<ConnKey>>,
}

impl Timers {
    pub fn add(&mut self, tick: Tick, key: ConnKey) {
        self.by_tick.entry(tick).or_default().push(key);
    }

    /// Takes those whose tick has passed at `now`, in milliseconds. Some may be closed by then.
    pub fn take_due(&mut self, now: u64) -> Vec<ConnKey> {
        let later = self.by_tick.split_off(&Tick::after(now));
        let due = std::mem::replace(&mut self.by_tick, later);
        due.into_values().flatten().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_due_at_its_tick_and_once() {
        let mut timers = Timers::default();
        let [early, late] = [1, 2].map(|place| ConnKey::new(place, 0));
        timers.add(Tick::at(1_000), late);
        timers.add(Tick::after(0), early);
        assert_eq!(timers.take_due(249), []);
        assert_eq!(timers.take_due(250), [early]);
        assert_eq!(timers.take_due(999), []);
        assert_eq!(timers.take_due(5_000), [late]);
        assert_eq!(timers.take_due(u64::MAX - 1), []);
        assert!(Tick::at(1_001) > Tick::at(1_000) && Tick::at(u64::MAX) < Tick::NEVER);
    }
}
