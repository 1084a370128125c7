//! The laws of scaling by load: within the bounds and the memory, at quiet times only, and without turning back and forth.

use super::oracle::{Broken, Oracle, law};
use crate::master::supervisor::*;

/// What the load has changed.
#[derive(Debug, Default)]
pub struct ScalingNotes {
    /// When it was raised last.
    raised: Option<Moment>,
    /// As it was measured last.
    pub memory: Option<AvailableMemory>,
    /// What the plan had when the number of CPUs changed, and what there was.
    cpus: Option<(Wanted, Wanted)>,
}

/// A number of workers, and its range.
type Wanted = (u32, Option<Bounds>);

impl Oracle {
    /// Before the supervisor takes it.
    pub(super) fn note_cpus(&mut self, supervisor: &Supervisor) {
        let plan = &supervisor.server.plan;
        let planned = (plan.wanted(), plan.bounds());
        let there = (supervisor.target(), supervisor.server.scaling.bounds);
        self.scaling.cpus = Some((planned, there));
    }

    pub(super) fn judge_cpus(&mut self, to: u32, bounds: Option<Bounds>) -> Result<(), Broken> {
        law!(self.keeps_up() && self.up, "cpus at the wrong time");
        law!(self.reload.is_none(), "cpus during a rollout");
        let Some((planned, there)) = self.scaling.cpus.take() else {
            return Err("a number of CPUs that no generation asked for".to_owned());
        };
        let untouched = match planned.1 {
            Some(_) => planned.1 == there.1,
            None => planned == there,
        };
        law!(untouched, "cpus over an operator's {there:?}");
        law!(
            bounds.is_none_or(|bounds| bounds.clamp(to) == to),
            "{to} beyond {bounds:?}"
        );
        Ok(())
    }

    pub(super) fn judge_scaling(
        &mut self,
        decision: &ScaleDecision,
        supervisor: &Supervisor,
    ) -> Result<(), Broken> {
        let ScaleDecision { from, to, .. } = *decision;
        law!(self.keeps_up() && self.up, "{decision:?} at the wrong time");
        law!(self.reload.is_none(), "{decision:?} during a rollout");
        let Some(ScalingView { bounds, .. }) = supervisor.scaling() else {
            return Err(format!("{decision:?} of a fixed number"));
        };
        law!(
            (bounds.least..=bounds.most).contains(&to),
            "{decision:?} beyond {bounds:?}"
        );
        law!(
            from != to && to <= from + 2 && to + 1 >= from,
            "{decision:?}"
        );
        if to > from {
            let room = self.scaling.memory.map(AvailableMemory::room);
            law!(
                room.is_none_or(|room| to - from <= room),
                "{decision:?} with room for {room:?}"
            );
            self.scaling.raised = Some(self.now);
        } else {
            // So the direction changes once at the most within that time.
            let idle = supervisor.server.plan.scaling.map(|rules| rules.idle);
            let apart = self
                .scaling
                .raised
                .map(|at| self.now.since(at) + self.slack);
            law!(
                apart.is_none() || apart >= idle,
                "{decision:?} {apart:?} after a growth"
            );
        }
        Ok(())
    }
}
