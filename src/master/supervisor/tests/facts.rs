//! What an onlooker knows of each worker from the events and actions alone. Times are the master's running time.

use std::time::Duration;

use crate::master::supervisor::*;

#[derive(Debug, Clone)]
pub struct Facts {
    pub who: Who,
    pub spawned: Moment,
    pub boot_timeout: Duration,
    pub ready: Option<Moment>,
    pub went: bool,
    /// Told to go, and has not said that it stopped.
    pub accepting: bool,
    /// Told to pause, then.
    pub paused: Option<Moment>,
    /// Its end was decided (or it said that it failed).
    pub told: Option<Moment>,
    /// When it must be dead or killed at the latest.
    pub bound: Option<Moment>,
    pub killed: bool,
    /// Told to end by a signal or to stop fast.
    pub sent_away: bool,
    /// It gives no sign of life since then.
    pub hung: Option<Moment>,
    /// One of its threads gives no sign of life since then; it was said.
    pub lags: Option<Moment>,
    pub lag_told: bool,
    /// A replacement was begun because it is to be retired.
    pub retired: bool,
    /// There is a process. Without a mold it is there at once.
    pub forked: bool,
}

impl Facts {
    pub fn new(who: Who, spawned: Moment, boot_timeout: Duration) -> Self {
        Self {
            who,
            spawned,
            boot_timeout,
            ready: None,
            went: false,
            accepting: false,
            paused: None,
            told: None,
            bound: None,
            killed: false,
            sent_away: false,
            hung: None,
            lags: None,
            lag_told: false,
            retired: false,
            forked: true,
        }
    }

    pub fn is_ready(&self) -> bool {
        self.ready.is_some() && self.told.is_none()
    }

    pub fn boots(&self) -> bool {
        self.ready.is_none() && self.told.is_none()
    }

    pub fn tell(&mut self, now: Moment, within: Duration) {
        self.told.get_or_insert(now);
        let bound = now + within;
        self.bound = Some(self.bound.map_or(bound, |b| b.min(bound)));
    }
}

/// The same of a mold.
#[derive(Debug, Clone)]
pub struct MoldFacts {
    pub started: Moment,
    pub boot_timeout: Duration,
    pub ready: Option<Moment>,
    /// It has said that it failed.
    pub failed: Option<Moment>,
    pub killed: bool,
}

impl MoldFacts {
    pub fn can_fork(&self) -> bool {
        self.ready.is_some() && !self.killed
    }
}

/// The pacing that a slot of one generation is due, reckoned anew from what was seen.
#[derive(Debug, Clone, Default)]
pub struct Failures {
    pub count: u32,
    /// Boots that were killed from outside.
    pub kills: u32,
    pub last: Moment,
    pub not_before: Moment,
    /// It hung on a span that cannot be told to the second after the master stood still: no more judgement on this slot.
    pub unsure: bool,
}

impl Failures {
    /// `longest`: in seconds.
    pub fn add(&mut self, now: Moment, longest: u64) {
        let delays = [0, 1, 2, 4, 8, 16];
        let delay = delays.get(self.count as usize).copied().unwrap_or(30);
        let delay = delay.min(longest);
        self.count += 1;
        self.last = now;
        self.not_before = now + Duration::from_secs(delay);
    }

    /// The first two are not held against the slot.
    pub fn add_kill(&mut self, now: Moment) {
        self.kills += 1;
        if self.kills > 2 {
            self.add(now, 2);
        } else {
            (self.last, self.not_before) = (now, now);
        }
    }

    /// A worker was ready for that long.
    pub fn note_uptime(&mut self, uptime: Duration, slack: Duration) {
        self.unsure |= is_close(uptime, slack);
        if uptime >= Duration::from_secs(10) {
            (self.count, self.kills) = (0, 0);
        }
    }
}

/// Whether that uptime is too close to one of pacing's limits to tell on which side of it.
pub fn is_close(uptime: Duration, slack: Duration) -> bool {
    [5, 10]
        .map(Duration::from_secs)
        .iter()
        .any(|limit| limit.abs_diff(uptime) <= slack)
}

/// Whether a ready worker's end is held against its slot.
pub fn is_failure(exit: Exit, uptime: Duration) -> bool {
    let own = !matches!(
        exit,
        Exit::Signal { signal: 9 | 15, .. } | Exit::OutOfMemory
    );
    own && uptime < Duration::from_secs(5)
}
