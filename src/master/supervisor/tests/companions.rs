//! Companions in the simulated OS, and the laws that the supervisor must keep for them.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::facts::Failures;
use super::oracle::{Broken, Oracle, law};
use super::process::killed;
use super::rng::Rng;
use super::world::{Happening, World};
use crate::master::supervisor::*;

/// What happens to a companion's process.
#[derive(Debug, Clone, Copy)]
pub enum CompanionHappening {
    Starts,
    Ends(CompanionEnd),
}

/// What an onlooker knows of them.
#[derive(Debug, Default)]
pub struct CompanionNotes {
    living: BTreeMap<CompanionId, CompanionFacts>,
    /// New code starts without a past.
    failures: BTreeMap<(CompanionId, Generation), Failures>,
    /// When another generation serves, also one that has served before, failures begin anew.
    serves: Option<Generation>,
    /// An operator has asked for a new process.
    asked: BTreeSet<CompanionId>,
}

#[derive(Debug)]
struct CompanionFacts {
    started: Moment,
    generation: Generation,
    grace: Duration,
    told: Option<Moment>,
    killed: bool,
}

/// Those that live. What they do is drawn apart from all else, which is the same with them and without.
pub struct CompanionProcesses {
    rng: Rng,
    living: BTreeMap<CompanionId, u64>,
}

impl CompanionProcesses {
    pub fn new(seed: u64) -> Self {
        Self {
            rng: Rng(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1),
            living: BTreeMap::new(),
        }
    }

    pub fn random_plans(&mut self) -> Vec<CompanionPlan> {
        let rng = &mut self.rng;
        let names = rng.pick(&[&[][..], &["a"], &["a", "b"], &["b"]]);
        let plan = |name: &&str| CompanionPlan {
            name: (*name).to_owned(),
            grace: rng.millis(0, 6000),
        };
        names.iter().map(plan).collect()
    }
}

impl World {
    pub(super) fn start_companion(&mut self, companion: CompanionId) {
        self.sequence += 1;
        let number = self.sequence;
        self.companions.living.insert(companion, number);
        let happens = |what| Happening::Companion(companion, number, what);
        if self.companions.rng.percent(10) {
            let end = CompanionHappening::Ends(CompanionEnd::NotStarted);
            return self.later(Duration::ZERO, happens(end));
        }
        self.later(Duration::ZERO, happens(CompanionHappening::Starts));
        let life = self
            .companions
            .rng
            .pick(&[100, 12_000, 1_000_000, 1_000_000]);
        let after = self.companions.rng.millis(1, life);
        let exit = self
            .companions
            .rng
            .pick(&[Exit::Code(0), Exit::Code(1), killed(9), killed(11)]);
        let end = CompanionHappening::Ends(CompanionEnd::Exited(exit));
        self.later(after, happens(end));
    }

    /// Some do not listen.
    pub(super) fn end_companion(&mut self, companion: CompanionId) {
        if self.companions.rng.percent(70) {
            let after = self.companions.rng.millis(0, 5000);
            self.end_companion_in(companion, after, killed(15));
        }
    }

    pub(super) fn kill_companion(&mut self, companion: CompanionId) {
        let after = self.companions.rng.millis(0, 20);
        self.end_companion_in(companion, after, killed(9));
    }

    fn end_companion_in(&mut self, companion: CompanionId, after: Duration, exit: Exit) {
        if let Some(number) = self.companions.living.get(&companion) {
            let end = CompanionHappening::Ends(CompanionEnd::Exited(exit));
            let happens = Happening::Companion(companion, *number, end);
            self.later(after, happens);
        }
    }

    pub(super) fn happen_to_companion(
        &mut self,
        companion: CompanionId,
        number: u64,
        what: CompanionHappening,
    ) -> Result<(), Broken> {
        if self.companions.living.get(&companion) != Some(&number) {
            return Ok(());
        }
        match what {
            CompanionHappening::Starts => self.feed(Some(Event::CompanionStarted { companion })),
            CompanionHappening::Ends(end) => {
                self.companions.living.remove(&companion);
                self.feed(Some(Event::CompanionEnded { companion, end }))
            }
        }
    }

    /// Now and then an operator wants a new process of one, of which there may be none.
    pub fn restart_some_companion(&mut self) -> Result<(), Broken> {
        let rng = &mut self.companions.rng;
        if !rng.percent(5) {
            return Ok(());
        }
        let companion = CompanionId(u32::try_from(rng.between(1, 3)).expect("small"));
        self.control(Command::RestartCompanion(companion)).map(drop)
    }

    /// In the file, for the next reload.
    pub fn change_companions(&mut self) {
        if self.companions.rng.percent(30) {
            self.plan.companions = self.companions.random_plans();
        }
    }
}

impl Oracle {
    pub(super) fn note_companion_restart(&mut self, companion: CompanionId) {
        if !self.keeps_up() {
            return;
        }
        self.companions.asked.insert(companion);
        for ((of, _), failures) in &mut self.companions.failures {
            if *of == companion {
                failures.not_before = self.now;
            }
        }
    }

    pub(super) fn note_companion_end(&mut self, companion: CompanionId, end: CompanionEnd) {
        let (now, slack) = (self.now, self.slack);
        let Some(facts) = self.companions.living.remove(&companion) else {
            return;
        };
        self.companions.asked.remove(&companion);
        if facts.told.is_some() {
            self.companions
                .failures
                .remove(&(companion, facts.generation));
            return;
        }
        let failures = self
            .companions
            .failures
            .entry((companion, facts.generation))
            .or_default();
        failures.note_uptime(now.since(facts.started), slack);
        match end {
            CompanionEnd::Exited(Exit::Signal { signal: 9 | 15, .. } | Exit::OutOfMemory) => {
                failures.add_kill(now);
            }
            CompanionEnd::Exited(_) | CompanionEnd::NotStarted => failures.add(now, 30),
        }
    }

    pub(super) fn judge_companion(
        &mut self,
        action: &Action,
        supervisor: &Supervisor,
    ) -> Result<(), Broken> {
        let (now, slack) = (self.now, self.slack);
        let serves = Some(supervisor.generation());
        if self.companions.serves != serves {
            self.companions.serves = serves;
            self.companions.failures.clear();
        }
        match action {
            Action::StartCompanion {
                companion,
                generation,
            } => {
                law!(self.up && self.keeps_up(), "{action:?} at the wrong time");
                let serves = supervisor.generation();
                law!(*generation == serves, "{action:?} while {serves} serves");
                let plan = self.plans.get(generation);
                let mut views = supervisor.companions();
                let view = views.find(|view| view.companion == *companion);
                let its = plan.zip(view).and_then(|(plan, view)| {
                    plan.companions.iter().find(|one| one.name == view.name)
                });
                let Some(its) = its else {
                    return Err(format!("{action:?}, which nobody wants"));
                };
                if let Some(failures) = self.companions.failures.get(&(*companion, *generation)) {
                    let early = failures.not_before.since(now);
                    law!(
                        early <= slack || failures.unsure,
                        "{action:?} {early:?} before its pause was over"
                    );
                }
                let facts = CompanionFacts {
                    started: now,
                    generation: *generation,
                    grace: its.grace,
                    told: None,
                    killed: false,
                };
                let before = self.companions.living.insert(*companion, facts);
                law!(before.is_none(), "{action:?} beside {before:?}");
            }
            Action::EndCompanion { companion } => {
                let stops = !self.keeps_up();
                let asked = self.companions.asked.contains(companion);
                let Some(facts) = self.companions.living.get_mut(companion) else {
                    return Err(format!("{action:?}, which does not live"));
                };
                law!(facts.told.is_none(), "{action:?} a second time");
                let followed = facts.generation != supervisor.generation();
                law!(stops || asked || followed, "{action:?} for nothing");
                facts.told = Some(now);
            }
            Action::KillCompanion { companion } => {
                let fast = self.stop.is_some_and(|stop| stop.mode == StopMode::Fast);
                let Some(facts) = self.companions.living.get_mut(companion) else {
                    return Err(format!("{action:?}, which does not live"));
                };
                law!(!facts.killed, "{action:?} a second time");
                let most = if fast {
                    Duration::from_secs(3)
                } else {
                    Duration::MAX
                };
                let since = facts.told.map(|told| now.since(told) + slack);
                law!(
                    since >= Some(facts.grace.min(most)),
                    "{action:?} too early: {facts:?}"
                );
                facts.killed = true;
            }
            _ => {}
        }
        Ok(())
    }

    pub(super) fn judge_companions(&self, supervisor: &Supervisor) -> Result<(), Broken> {
        let begun = self.stop.is_some_and(|stop| {
            self.now.since(stop.by) > self.slack
                || stop.mode == StopMode::Fast
                || supervisor.server.plan.shutdown_delay.is_zero()
        });
        for facts in self.companions.living.values() {
            law!(
                facts.told.is_some() || !begun,
                "{facts:?} was not told that the server stops"
            );
            let late = |told| self.now.since(told) > facts.grace + self.slack;
            law!(
                facts.killed || !facts.told.is_some_and(late),
                "{facts:?} outlives its grace"
            );
        }
        Ok(())
    }

    pub(super) fn judge_companions_end(&self) -> Result<(), Broken> {
        let left = &self.companions.living;
        law!(left.is_empty(), "it left {left:?} behind");
        Ok(())
    }

    /// Everything is as it should be: they run, or wait for their pause to be over.
    pub(super) fn companions_unrest(&self, supervisor: &Supervisor) -> Option<String> {
        let plan = self.plans.get(&supervisor.generation())?;
        for wanted in &plan.companions {
            let mut views = supervisor.companions();
            let view = views.find(|view| view.name == wanted.name);
            let Some(view) = view else {
                return Some(format!("{wanted:?} is forgotten"));
            };
            match self.companions.living.get(&view.companion) {
                Some(facts) if facts.told.is_some() => return Some(format!("{facts:?} ends")),
                Some(facts) if facts.generation != supervisor.generation() => {
                    return Some(format!("{facts:?} is of a generation that does not serve"));
                }
                Some(_) => {}
                None => {
                    let its = (view.companion, supervisor.generation());
                    let failures = self.companions.failures.get(&its);
                    let due = failures.is_none_or(|it| it.not_before + self.slack < self.now);
                    if due && failures.is_none_or(|it| !it.unsure) {
                        return Some(format!("{view:?} does not start"));
                    }
                }
            }
        }
        let wanted = plan.companions.len();
        let known = supervisor.companions().count();
        (wanted != known).then(|| format!("{known} companions instead of {wanted}"))
    }
}
