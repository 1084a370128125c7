//! The laws of single orders to workers: who may be spawned, go, be killed.

use std::time::Duration;

use super::facts::Facts;
use super::oracle::{Broken, Oracle, law};
use crate::master::supervisor::*;

impl Oracle {
    pub(super) fn judge_spawn(&mut self, who: Who, supervisor: &Supervisor) -> Result<(), Broken> {
        law!(self.keeps_up(), "{who:?} spawned while stopping");
        law!(self.preparing.is_none(), "{who:?} spawned too early");
        law!(
            who.incarnation.0 == self.spawned + 1,
            "{who:?}: incarnations are counted"
        );
        self.spawned = who.incarnation.0;
        if let Some(failures) = self.failures.get(&(who.slot, who.generation)) {
            let early = failures.not_before.since(self.now);
            law!(
                early <= self.slack || failures.unsure,
                "{who:?} spawned {early:?} before its pause was over"
            );
        }
        let Some(plan) = self.plans.get(&who.generation).cloned() else {
            return Err(format!("{who:?} spawned without settings"));
        };
        let facts = Facts::new(who, self.now, plan.boot_timeout);
        self.workers.insert(who.incarnation, facts);
        if self.reload == Some(who.generation)
            && let Some(staged) = &self.staged
        {
            law!(!staged.contains(&who.slot), "{who:?} mends what is staged");
        }
        let rolled_out = self.reload == Some(who.generation) && !self.drained_in_reload;
        if self.reload != Some(who.generation) {
            let leaves = |w: &&Facts| {
                // Of one that is older than what serves by now, the room was measured since.
                w.sent_away
                    && !w.killed
                    && self.rolled_back.contains(&w.who.generation)
                    && w.who.generation > supervisor.generation()
            };
            let leaving = self.workers.values().find(leaves);
            law!(
                leaving.is_none() || self.room.is_none(),
                "{who:?} spawned while {leaving:?} holds memory"
            );
        }
        if rolled_out {
            // A slot that was switched already gets its next worker as usual.
            let switched = self.switched.contains(&(who.slot, who.generation));
            law!(
                switched || self.room != Some(0),
                "{who:?} does not fit into the memory"
            );
            self.room = self.room.map(|room| room.saturating_sub(1));
            let coming = |w: &&Facts| w.who.generation == who.generation && w.told.is_none();
            let boots = self
                .workers
                .values()
                .filter(coming)
                .filter(|w| w.boots())
                .count();
            let excused = self.surged && self.died_in_reload;
            law!(
                boots <= plan.parallel_boots as usize || excused,
                "{boots} boots at once"
            );
            let waiting = self
                .workers
                .values()
                .filter(coming)
                .filter(|w| !w.went)
                .count();
            let most = plan.surge.unwrap_or(u32::MAX) as usize;
            law!(
                waiting <= most || self.died_in_reload || self.stages,
                "{waiting} at once, not {most}"
            );
        }
        Ok(())
    }

    pub(super) fn judge_go(
        &mut self,
        incarnation: Incarnation,
        supervisor: &Supervisor,
    ) -> Result<(), Broken> {
        let Some(new) = self.workers.get(&incarnation) else {
            return Err(format!("go to {incarnation}, which does not live"));
        };
        law!(
            new.is_ready() && (!new.went || new.paused.is_some()),
            "go to {new:?}"
        );
        let staged = self.staged.is_some() && self.reload == Some(new.who.generation);
        law!(!staged, "go to {new:?}, which is staged");
        // New connections meet one version.
        for old in self.workers.values().filter(|w| w.accepting) {
            let patient = old
                .told
                .or(old.paused)
                .is_some_and(|at| self.now.since(at) + self.slack >= Duration::from_secs(1));
            let same = old.who.generation == new.who.generation;
            // It leaves when it can be spared.
            let surplus = old.who.slot.0 >= supervisor.target();
            law!(
                same || patient || surplus || self.surged || self.mixed || !self.keeps_up(),
                "go to {new:?} while {old:?} accepts"
            );
        }
        let facts = self.workers.get_mut(&incarnation).expect("just seen");
        (facts.went, facts.accepting, facts.paused) = (true, true, None);
        self.switched.insert((facts.who.slot, facts.who.generation));
        Ok(())
    }

    pub(super) fn judge_kill(
        &mut self,
        incarnation: Incarnation,
        why: KillReason,
        action: &Action,
    ) -> Result<(), Broken> {
        let (slack, up) = (self.slack, self.up);
        let (now, facts) = self.living(incarnation, action)?;
        law!(!facts.killed, "{action:?} a second time");
        facts.killed = true;
        let who = facts.who;
        match why {
            KillReason::BootTimeout => {
                let age = now.since(facts.spawned) + slack;
                law!(
                    facts.boots() && age >= facts.boot_timeout,
                    "{action:?} after {age:?}"
                );
                law!(
                    facts.late.is_some() || !facts.forked,
                    "{action:?} without a look at its stacks"
                );
                facts.tell(now, Duration::ZERO);
                self.note_failure(who, 3, up, false);
            }
            KillReason::Hung => law!(facts.hung.is_some(), "{action:?}, which is well"),
            KillReason::Overdue => law!(facts.told.is_some(), "{action:?}, which was not told"),
        }
        Ok(())
    }
}
