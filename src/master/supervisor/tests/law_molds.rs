//! The laws of molds: when one may be started, asked to fork, or killed, and that none is late, hanging or missing in
//! the end.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::facts::{Facts, Failures, MoldFacts};
use super::oracle::{Broken, Oracle, law};
use super::process::exit_code;
use crate::master::supervisor::*;

/// What is known of all molds.
#[derive(Debug, Default)]
pub struct MoldNotes {
    pub living: BTreeMap<Generation, MoldFacts>,
    failures: BTreeMap<Generation, Failures>,
    /// One has failed before all was up, and the files have not changed since.
    awaiting: BTreeSet<Generation>,
    /// Files have just changed: booting workers are ended, and boot again.
    pub changed: bool,
}

impl Oracle {
    fn forks_from_mold(&self, generation: Generation) -> bool {
        let plan = self.plans.get(&generation);
        plan.is_some_and(|plan| plan.forked_from == ForkedFrom::Mold)
    }

    pub(super) fn mold_can_fork(&self, generation: Generation) -> bool {
        let mold = self.molds.living.get(&generation);
        mold.is_some_and(MoldFacts::can_fork)
    }

    /// A slot may be empty because there is no mold to fork from.
    pub(super) fn waits_for_mold(&self) -> bool {
        let mut generations = self.plans.keys();
        generations.any(|one| self.forks_from_mold(*one) && !self.mold_can_fork(*one))
    }

    pub(super) fn judge_mold_start(&mut self, generation: Generation) -> Result<(), Broken> {
        law!(self.keeps_up(), "mold {generation} started while stopping");
        law!(
            self.preparing.is_none() && self.forks_from_mold(generation),
            "mold {generation} started for nothing"
        );
        if let Some(failures) = self.molds.failures.get(&generation) {
            let early = failures.not_before.since(self.now);
            law!(
                early <= self.slack || failures.unsure,
                "mold {generation} started {early:?} before its pause was over"
            );
        }
        let awaits = !self.up && self.molds.awaiting.contains(&generation);
        law!(!awaits, "mold {generation} boots what has failed");
        let mold = MoldFacts {
            started: self.now,
            boot_timeout: self.plans[&generation].boot_timeout,
            ready: None,
            failed: None,
            killed: false,
        };
        let runs = self.molds.living.insert(generation, mold).is_some();
        law!(!runs, "mold {generation} started twice");
        Ok(())
    }

    pub(super) fn judge_fork(&mut self, who: Who) -> Result<(), Broken> {
        if self.forks_from_mold(who.generation) {
            let mold = self.molds.living.get(&who.generation);
            law!(
                self.mold_can_fork(who.generation),
                "{who:?} is to be forked from {mold:?}"
            );
            let facts = self.workers.get_mut(&who.incarnation).expect("just seen");
            facts.forked = false;
        }
        Ok(())
    }

    pub(super) fn judge_mold_kill(&mut self, generation: Generation) -> Result<(), Broken> {
        let (now, slack, up) = (self.now, self.slack, self.up);
        let waits = self
            .workers
            .values()
            .any(|w| !w.forked && w.killed && w.who.generation == generation);
        let Some(mold) = self.molds.living.get_mut(&generation) else {
            return Err(format!("mold {generation} killed, which does not live"));
        };
        law!(!mold.killed, "mold {generation} killed a second time");
        mold.killed = true;
        let late = |limit: Moment| now + slack >= limit;
        let (boots, hangs) = (mold.ready.is_none(), mold.ready.is_some() && waits);
        let overdue = match mold.failed {
            Some(at) => late(at + Duration::from_secs(3)),
            None => boots && late(mold.started + mold.boot_timeout),
        };
        let anew = boots && !up && self.molds.changed;
        law!(overdue || hangs || anew, "{mold:?} killed, which is well");
        if mold.failed.is_none() && !anew {
            let ready = mold.ready;
            if ready.is_some() {
                self.note_end_of_reforked(generation);
            }
            self.note_mold_failure(generation, 3, ready, false);
        }
        Ok(())
    }

    pub(super) fn note_mold_message(&mut self, generation: Generation, message: MoldMessage) {
        let now = self.now;
        let Some(mold) = self.molds.living.get_mut(&generation) else {
            return;
        };
        if mold.killed || mold.ready.is_some() || mold.failed.is_some() {
            return;
        }
        match message {
            MoldMessage::Ready => {
                mold.ready = Some(now);
                self.awaiting.clear();
            }
            MoldMessage::Failed { phase } => {
                mold.failed = Some(now);
                self.note_mold_failure(generation, exit_code(phase), None, false);
            }
        }
    }

    pub(super) fn note_mold_end(&mut self, generation: Generation, why: BootFailure) {
        let Some(mold) = self.molds.living.remove(&generation) else {
            return;
        };
        if mold.killed || mold.failed.is_some() {
            return;
        }
        if self.keeps_up() && mold.ready.is_some() && self.note_end_of_reforked(generation) {
            return;
        }
        let code = match why {
            BootFailure::Exited(Exit::Code(4)) => 4,
            _ => 3,
        };
        let killed = matches!(why, BootFailure::Exited(Exit::Signal { signal: 9, .. }));
        self.note_mold_failure(generation, code, mold.ready, killed);
    }

    fn note_mold_failure(
        &mut self,
        generation: Generation,
        code: u8,
        ready: Option<Moment>,
        killed: bool,
    ) {
        self.died_in_reload = true;
        if !self.up && self.keeps_up() && ready.is_none() {
            if self.sources == SourceWatching::Watched {
                self.molds.awaiting.insert(generation);
            } else {
                self.failed_boot = Some((code, self.now));
            }
            return;
        }
        let (now, slack) = (self.now, self.slack);
        let failures = self.molds.failures.entry(generation).or_default();
        if let Some(ready) = ready.filter(|ready| *ready > failures.last) {
            failures.note_uptime(now.since(ready), slack);
        }
        if killed {
            failures.add_kill(now);
        } else {
            failures.add(now, 30);
        }
    }

    pub(super) fn note_change_for_molds(&mut self) {
        self.molds.awaiting.clear();
    }

    /// Checked after each step.
    pub(super) fn judge_molds(&self, supervisor: &Supervisor) -> Result<(), Broken> {
        let late = |limit: Moment| self.now.since(limit) > self.slack;
        for (generation, mold) in &self.molds.living {
            let boots = mold.ready.is_none() && mold.failed.is_none();
            law!(
                mold.killed || !boots || !late(mold.started + mold.boot_timeout),
                "mold {generation} boots for ever"
            );
            let stays = |at: Moment| late(at + Duration::from_secs(3));
            law!(
                mold.killed || !mold.failed.is_some_and(stays),
                "mold {generation} outlives its end"
            );
            let waits = |w: &Facts| w.who.generation == *generation && !w.forked && w.killed;
            law!(
                mold.killed || mold.ready.is_none() || !self.workers.values().any(waits),
                "mold {generation} hangs and is left alone"
            );
        }
        if let Some(previous) = supervisor.previous() {
            let lives =
                previous.kept == KeptProcesses::Workers || self.mold_can_fork(previous.generation);
            let returns = supervisor.server.reload.generation() == Some(previous.generation);
            law!(lives || returns, "{previous:?}, whose mold has ended");
        }
        let generation = supervisor.generation();
        let wanted = self.forks_from_mold(generation) && self.preparing.is_none();
        let lives = self.molds.living.contains_key(&generation);
        let paced = self.molds.failures.get(&generation);
        let paced = paced.is_some_and(|one| one.unsure || one.not_before + self.slack > self.now);
        let awaits = !self.up && self.molds.awaiting.contains(&generation);
        law!(
            !wanted || lives || paced || awaits,
            "generation {generation} has no mold"
        );
        Ok(())
    }
}
