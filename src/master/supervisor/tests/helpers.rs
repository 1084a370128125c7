//! Helpers in the simulated OS, and the laws that the supervisor must keep for them.

use std::collections::BTreeMap;
use std::time::Duration;

use super::facts::Failures;
use super::oracle::{Broken, Oracle, law};
use super::rng::Rng;
use super::world::{Happening, World};
use crate::master::supervisor::*;

/// The silence after which one counts as hung.
const SILENT: Duration = Duration::from_secs(10);
/// How far two heartbeats are apart, and two samples.
const BEAT: Duration = Duration::from_secs(1);

#[derive(Debug, Clone, Copy)]
pub enum HelperHappening {
    Hangs,
    Ends(HelperEnd),
}

/// Those that live. What they do is drawn apart from all else, which is the same with them and without.
pub struct HelperProcesses {
    rng: Rng,
    living: BTreeMap<Helper, HelperProcess>,
}

struct HelperProcess {
    number: u64,
    first_beat: Moment,
    last_beat: Option<Moment>,
    /// The last heartbeat of the process before, which a sample may have found while this one was started.
    of_before: Option<Moment>,
    hung_since: Option<Moment>,
}

impl HelperProcess {
    fn beats(&mut self, at: Moment) {
        if at >= self.first_beat {
            self.last_beat = self.last_beat.max(Some(at));
        }
    }
}

impl HelperProcesses {
    pub fn new(seed: u64) -> Self {
        Self {
            rng: Rng(seed.wrapping_mul(0xD134_2543_DE82_EF95) | 1),
            living: BTreeMap::new(),
        }
    }

    /// The whole machine is suspended, and was before until `resumed`.
    pub fn suspend(&mut self, now: Moment, resumed: Moment) {
        for process in self.living.values_mut() {
            let at = now - self.rng.millis(0, 900);
            if process.hung_since.is_none() && at > resumed {
                process.beats(at);
            }
        }
    }
}

impl World {
    /// Some live long, some do not even start, some hang.
    pub(super) fn start_helper(&mut self, helper: Helper) {
        self.sequence += 1;
        let number = self.sequence;
        let (now, rng) = (self.now, &mut self.helpers.rng);
        let end = rng.pick(&[HelperEnd::Renewed, HelperEnd::Killed, HelperEnd::Failed]);
        let life = rng.pick(&[0, 100, 12_000, 1_000_000]);
        let (ends, hangs) = (rng.millis(0, life), rng.millis(0, 60_000));
        let hangs = rng.percent(30).then_some(hangs);
        // It starts on a busy machine.
        let first_beat = now + rng.millis(0, 15_000);
        let before = self.helpers.living.get(&helper);
        let process = HelperProcess {
            number,
            first_beat,
            last_beat: None,
            of_before: before.and_then(|before| before.last_beat),
            hung_since: None,
        };
        self.helpers.living.insert(helper, process);
        let happens = |what| Happening::Helper(helper, number, what);
        self.later(ends, happens(HelperHappening::Ends(end)));
        if let Some(after) = hangs {
            self.later(after, happens(HelperHappening::Hangs));
        }
    }

    pub(super) fn kill_helper(&mut self, helper: Helper) {
        let after = self.helpers.rng.millis(0, 20);
        let number = self.helpers.living[&helper].number;
        let end = HelperHappening::Ends(HelperEnd::Failed);
        self.later(after, Happening::Helper(helper, number, end));
    }

    pub(super) fn happen_to_helper(
        &mut self,
        helper: Helper,
        number: u64,
        what: HelperHappening,
    ) -> Result<(), Broken> {
        let now = self.now;
        let living = self.helpers.living.get_mut(&helper);
        let Some(process) = living.filter(|process| process.number == number) else {
            return Ok(());
        };
        match what {
            HelperHappening::Hangs => {
                process.hung_since = Some(now);
                if process.last_beat.is_some() {
                    self.oracle.helper_hangs(helper, now);
                }
                Ok(())
            }
            HelperHappening::Ends(end) => {
                // No happening of this process follows; its last heartbeat may still be sampled.
                process.number = 0;
                self.feed(Some(Event::HelperEnded { helper, end }))
            }
        }
    }

    pub(super) fn sample_helpers(&mut self) -> Result<(), Broken> {
        let (now, resumed) = (self.now, self.resumed);
        let mut beats = Vec::new();
        for (helper, process) in &mut self.helpers.living {
            let at = now - self.helpers.rng.millis(0, 900);
            if process.hung_since.is_none() && at > resumed {
                process.beats(at);
            }
            let of_before = process.of_before.take();
            if let Some(beat) = process.last_beat.or(of_before) {
                beats.push((*helper, now.since(beat)));
            }
        }
        for (helper, age) in beats {
            self.feed(Some(Event::HelperBeat { helper, age }))?;
        }
        Ok(())
    }
}

/// What an onlooker knows of them.
#[derive(Debug, Default)]
pub struct HelperNotes {
    running: BTreeMap<Helper, HelperFacts>,
    failures: BTreeMap<Helper, Failures>,
}

#[derive(Debug)]
struct HelperFacts {
    started: Moment,
    hung: Option<Moment>,
    killed: bool,
}

impl Oracle {
    fn helper_hangs(&mut self, helper: Helper, at: Moment) {
        let at = self.in_own_time(at);
        if let Some(facts) = self.helpers.running.get_mut(&helper) {
            facts.hung = Some(at);
        }
    }

    /// Paced like a worker's exit: by itself it is a failure, killed it is one the third time.
    pub(super) fn note_helper_end(&mut self, helper: Helper, end: HelperEnd) {
        let (now, slack) = (self.now, self.slack);
        let ended = self.helpers.running.remove(&helper);
        let failures = self.helpers.failures.entry(helper).or_default();
        let uptime = ended.map_or(Duration::ZERO, |facts| now.since(facts.started));
        match end {
            HelperEnd::Renewed => failures.not_before = now,
            HelperEnd::Killed | HelperEnd::Failed => failures.note_uptime(uptime, slack),
        }
        match end {
            HelperEnd::Renewed => {}
            HelperEnd::Killed => failures.add_kill(now),
            HelperEnd::Failed => failures.add(now, 30),
        }
    }

    pub(super) fn judge_helper_start(&mut self, helper: Helper) -> Result<(), Broken> {
        law!(self.closing.is_none(), "{helper:?} started at the end");
        let facts = HelperFacts {
            started: self.now,
            hung: None,
            killed: false,
        };
        let runs = self.helpers.running.insert(helper, facts).is_some();
        law!(!runs, "{helper:?} started twice");
        if let Some(failures) = self.helpers.failures.get(&helper) {
            let early = failures.not_before.since(self.now);
            law!(
                early <= self.slack || failures.unsure,
                "{helper:?} started {early:?} before its pause was over"
            );
        }
        Ok(())
    }

    pub(super) fn judge_helper_kill(&mut self, helper: Helper) -> Result<(), Broken> {
        let (now, slack) = (self.now, self.slack);
        let Some(facts) = self.helpers.running.get_mut(&helper) else {
            return Err(format!("{helper:?} killed, which does not run"));
        };
        law!(!facts.killed, "{helper:?} killed a second time");
        facts.killed = true;
        let Some(hung) = facts.hung else {
            return Err(format!("{helper:?} killed, which is well"));
        };
        let silent = now.since(hung) + BEAT + slack;
        law!(silent >= SILENT, "{helper:?} killed after {silent:?}");
        Ok(())
    }

    /// While they are kept running.
    pub(super) fn judge_helpers(&self) -> Result<(), Broken> {
        for (helper, facts) in &self.helpers.running {
            let Some(hung) = facts.hung.filter(|_| !facts.killed) else {
                continue;
            };
            let found = hung.max(facts.started) + SILENT + BEAT + BEAT + self.slack;
            law!(self.now <= found, "{helper:?} hangs unnoticed");
        }
        Ok(())
    }
}
