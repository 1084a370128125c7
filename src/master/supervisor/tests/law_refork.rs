//! The laws of `--refork-after`: which worker may become the mold, and that the mold before is kept until the new one has shown
//! that workers of it become ready.

use std::collections::BTreeMap;

use super::facts::{Facts, MoldFacts};
use super::oracle::{Broken, Oracle, law};
use crate::master::supervisor::*;

/// What is known of the attempts, by generation.
pub type ReforkNotes = BTreeMap<Generation, ReforkFacts>;

#[derive(Debug, Clone, Copy, Default)]
pub struct ReforkFacts {
    ordered: Option<Incarnation>,
    /// It has said that it can fork.
    said: bool,
    /// It is the mold: the last incarnation from before.
    adopted: Option<Incarnation>,
    /// The mold before is kept.
    keeps: bool,
    /// A worker of the new mold was ready.
    shown: bool,
    /// One was not, or the new mold has ended.
    failed: bool,
    refused: bool,
}

impl ReforkFacts {
    fn is_younger(&self, incarnation: Incarnation) -> bool {
        self.keeps && self.adopted.is_some_and(|last| incarnation > last)
    }
}

impl Oracle {
    pub(super) fn judge_mold_order(
        &mut self,
        incarnation: Incarnation,
        supervisor: &Supervisor,
        action: &Action,
    ) -> Result<(), Broken> {
        law!(self.keeps_up(), "{action:?} at the wrong time");
        let (_, facts) = self.living(incarnation, action)?;
        let facts = facts.clone();
        let generation = facts.who.generation;
        law!(
            facts.went && facts.told.is_none() && facts.retired,
            "{action:?}: {facts:?}"
        );
        law!(
            supervisor.server.plan.refork_after.is_some() && self.mold_can_fork(generation),
            "{action:?} without --refork-after, or with a mold that cannot fork"
        );
        let notes = self.reforks.entry(generation).or_default();
        let open = notes.ordered.is_none() && notes.adopted.is_none() && !notes.refused;
        law!(open, "{action:?} after {notes:?}");
        notes.ordered = Some(incarnation);
        Ok(())
    }

    pub(super) fn note_can_fork(&mut self, who: Who) {
        let notes = self.reforks.entry(who.generation).or_default();
        notes.said |= notes.ordered == Some(who.incarnation);
    }

    pub(super) fn judge_adoption(
        &mut self,
        incarnation: Incarnation,
        generation: Generation,
    ) -> Result<(), Broken> {
        let last = Incarnation(self.spawned);
        let notes = self.reforks.entry(generation).or_default();
        law!(
            notes.ordered == Some(incarnation) && notes.said,
            "{incarnation:?} adopted: {notes:?}"
        );
        *notes = ReforkFacts {
            adopted: Some(last),
            keeps: true,
            ..ReforkFacts::default()
        };
        law!(
            self.keeps_up() && self.mold_can_fork(generation),
            "{incarnation:?} adopted beside {:?}",
            self.molds.living
        );
        let unforked = |w: &&Facts| w.who.generation == generation && !w.forked;
        let unforked = self.workers.values().find(unforked);
        law!(unforked.is_none(), "adopted while {unforked:?} is forked");
        law!(
            self.workers.remove(&incarnation).is_some(),
            "{incarnation:?} adopted, which does not live"
        );
        self.put_mold(generation);
        Ok(())
    }

    /// Another process that can fork is the mold.
    fn put_mold(&mut self, generation: Generation) {
        let mold = MoldFacts {
            started: self.now,
            boot_timeout: self.plans[&generation].boot_timeout,
            ready: Some(self.now),
            failed: None,
            killed: false,
        };
        self.molds.living.insert(generation, mold);
    }

    pub(super) fn judge_mold_before(
        &mut self,
        generation: Generation,
        action: &Action,
    ) -> Result<(), Broken> {
        let notes = self.reforks.entry(generation).or_default();
        law!(notes.keeps, "{action:?}: there is none");
        notes.keeps = false;
        if matches!(action, Action::EndMoldBefore { .. }) {
            law!(notes.shown, "{action:?} before a worker was ready");
            return Ok(());
        }
        let hangs = |w: &Facts| w.who.generation == generation && !w.forked && w.killed;
        law!(
            notes.failed || self.workers.values().any(hangs),
            "{action:?}: the new mold is well"
        );
        *notes = ReforkFacts {
            refused: true,
            ..ReforkFacts::default()
        };
        self.put_mold(generation);
        Ok(())
    }

    pub(super) fn note_younger(&mut self, who: Who, ready: bool) {
        let Some(notes) = self.reforks.get_mut(&who.generation) else {
            return;
        };
        if notes.is_younger(who.incarnation) {
            notes.shown |= ready;
            notes.failed |= !ready;
        }
    }

    /// A mold has ended, or is killed. True: the one before is kept for that.
    pub(super) fn note_end_of_reforked(&mut self, generation: Generation) -> bool {
        let Some(notes) = self.reforks.get_mut(&generation) else {
            return false;
        };
        if notes.keeps {
            notes.failed = true;
            return true;
        }
        if notes.adopted.is_some() {
            *notes = ReforkFacts::default();
        }
        false
    }

    /// Its worker has exited, and did not become the mold.
    pub(super) fn note_refork_exit(&mut self, who: Who) {
        if let Some(notes) = self.reforks.get_mut(&who.generation)
            && notes.ordered == Some(who.incarnation)
        {
            *notes = ReforkFacts {
                refused: true,
                ..ReforkFacts::default()
            };
        }
    }

    /// The attempt has come to nothing, and may be repeated.
    pub(super) fn note_refork_given_up(&mut self, who: Who) {
        if let Some(notes) = self.reforks.get_mut(&who.generation)
            && notes.ordered == Some(who.incarnation)
            && notes.said
        {
            *notes = ReforkFacts::default();
        }
    }

    /// Checked after each step.
    pub(super) fn judge_reforks(&self) -> Result<(), Broken> {
        for (generation, notes) in &self.reforks {
            law!(
                !notes.keeps || !notes.shown && !notes.failed,
                "generation {generation} keeps two molds: {notes:?}"
            );
        }
        Ok(())
    }

    pub(super) fn refork_unrest(&self, supervisor: &Supervisor) -> Option<String> {
        let notes = self.reforks.get(&supervisor.generation())?;
        if notes.keeps {
            return Some(format!("two molds: {notes:?}"));
        }
        let last = notes.adopted?;
        let older =
            |w: &&Facts| w.who.generation == supervisor.generation() && w.who.incarnation <= last;
        let older = self.workers.values().find(older)?;
        Some(format!("{older:?} is older than the mold"))
    }
}
