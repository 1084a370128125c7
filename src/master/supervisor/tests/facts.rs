//! What an observer knows of each worker from the events and actions alone. Times are the master's running time.

use std::time::Duration;

use crate::master::supervisor::*;

#[derive(Debug, Clone)]
pub struct Facts {
    pub who: Who,
    pub spawned: Moment,
    pub boot_timeout: Duration,
    pub ready: Option<Moment>,
    pub went: bool,
    /// It got a `Go`, and has not reported that it stopped.
    pub accepting: bool,
    /// When it was paused.
    pub paused: Option<Moment>,
    /// When its end was decided (or it reported a failure).
    pub told: Option<Moment>,
    /// When it must be dead or killed at the latest.
    pub bound: Option<Moment>,
    pub killed: bool,
    /// When its boot had taken too long, and its stacks were asked for.
    pub late: Option<Moment>,
    /// Ordered to end by a signal or to stop fast.
    pub sent_away: bool,
    /// Since when it has given no heartbeat.
    pub hung: Option<Moment>,
    /// Since when one of its threads has hung; it was reported.
    pub lags: Option<Moment>,
    pub lag_told: bool,
    /// A replacement was begun because it is to be retired.
    pub retired: bool,
    /// There is a process. Without a mold it exists at once.
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
            late: None,
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

/// The same for a mold.
#[derive(Debug, Clone)]
pub struct MoldFacts {
    pub started: Moment,
    pub boot_timeout: Duration,
    pub ready: Option<Moment>,
    /// When it reported a failure.
    pub failed: Option<Moment>,
    pub killed: bool,
}

impl MoldFacts {
    pub fn can_fork(&self) -> bool {
        self.ready.is_some() && !self.killed
    }
}

/// The expected pacing of a slot of one generation, computed independently from the observations.
#[derive(Debug, Clone, Default)]
pub struct Failures {
    pub count: u32,
    /// Boots that were killed from outside.
    pub kills: u32,
    pub last: Moment,
    pub not_before: Moment,
    /// It depends on a span that is not known to the second after the master was stopped: this slot is no longer
    /// judged.
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

    /// The first two do not count against the slot.
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

/// Whether that uptime is too close to one of pacing's limits to decide on which side it is.
pub fn is_close(uptime: Duration, slack: Duration) -> bool {
    [5, 10]
        .map(Duration::from_secs)
        .iter()
        .any(|limit| limit.abs_diff(uptime) <= slack)
}

/// Whether a ready worker's exit counts against its slot.
pub fn is_failure(exit: Exit, uptime: Duration) -> bool {
    let own = !matches!(
        exit,
        Exit::Signal { signal: 9 | 15, .. } | Exit::OutOfMemory
    );
    own && uptime < Duration::from_secs(5)
}
