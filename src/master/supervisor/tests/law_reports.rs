//! The laws of reports: each is true when it is made.

use super::facts::Facts;
use super::oracle::{Broken, Oracle, law};
use crate::master::supervisor::reload_state::Goal;
use crate::master::supervisor::*;

impl Oracle {
    pub(super) fn judge_report(
        &mut self,
        report: &Report,
        supervisor: &Supervisor,
    ) -> Result<(), Broken> {
        match report {
            Report::Up { .. } => self.up = true,
            Report::WorkerHung {
                worker,
                extent: Extent::Thread,
                ..
            } => {
                let facts = self.workers.get_mut(&worker.incarnation);
                let lags = facts.filter(|facts| facts.lags.is_some());
                law!(
                    lags.map(|facts| facts.lag_told = true).is_some(),
                    "{report:?}, which is well"
                );
            }
            Report::PreparationTimedOut { .. } => self.failed_boot = Some((124, self.now)),
            Report::StageBegan { .. } => {
                law!(self.reload.is_none(), "{report:?} during a reload");
                (self.stages, self.promoted) = (true, false);
            }
            Report::Staged { generation, .. } => {
                law!(
                    self.reload == Some(*generation),
                    "{report:?}: no such rollout"
                );
                let ready = |w: &&Facts| w.is_ready() && w.who.generation == *generation;
                let slots = self.workers.values().filter(ready).map(|w| w.who.slot);
                self.staged = Some(slots.collect());
            }
            Report::CanaryServes { generation, .. } => {
                law!(
                    self.reload == Some(*generation),
                    "{report:?}: no such rollout"
                );
                let lasts = match supervisor.server.reload.goal() {
                    Some(Goal::Canary(trial)) => trial.lasts,
                    _ => None,
                };
                self.canary_until = lasts.map(|span| self.now + span);
            }
            Report::CanaryVerdict { evidence, .. } => {
                self.worse = evidence.finding != Regression::NotWorse;
            }
            Report::TakingBack { generation, .. } => {
                law!(
                    self.reload.is_none() || self.reload == Some(*generation),
                    "{report:?} beside another one"
                );
                (self.reload, self.stages) = (Some(*generation), false);
                // No worker is rolled out.
                self.drained_in_reload = true;
            }
            Report::TakenBack { generation, to, .. } => {
                // Slots that were given back start without a history.
                let back = self.failures.iter_mut().filter(|((_, of), _)| of == to);
                back.for_each(|(_, failures)| failures.unsure = true);
                law!(
                    self.reload == Some(*generation),
                    "{report:?}: no such rollout"
                );
                (self.reload, self.mixed) = (None, false);
                self.rolled_back.insert(*generation);
            }
            Report::NotTakenBack { generation, to, .. } => {
                law!(
                    self.reload == Some(*generation),
                    "{report:?}: no such rollout"
                );
                let serves = |w: &Facts| {
                    w.who.generation == *to && w.went && w.told.is_none() && w.paused.is_none()
                };
                law!(
                    !self.keeps_up() || !self.workers.values().any(serves),
                    "{report:?}, which serves"
                );
                (self.reload, self.mixed) = (None, false);
            }
            Report::PromotionBegan { generation } => {
                law!(
                    self.reload == Some(*generation) && (self.staged.is_some() || self.mixed),
                    "{report:?}: it is not staged"
                );
                (self.staged, self.promoted) = (None, true);
            }
            Report::Reloaded { generation, .. }
            | Report::Discarded { generation }
            | Report::ReloadFailed { generation, .. } => {
                law!(
                    self.reload == Some(*generation),
                    "{report:?}: no such reload"
                );
                law!(
                    !self.stages || self.promoted || !matches!(report, Report::Reloaded { .. }),
                    "{report:?} without a promotion"
                );
                (self.reload, self.staged, self.mixed) = (None, None, false);
                let stages = std::mem::take(&mut self.stages);
                if let Report::Discarded { generation } = report {
                    self.rolled_back.insert(*generation);
                }
                if let Report::ReloadFailed { why, replaced, .. } = report {
                    if *replaced == 0 {
                        self.rolled_back.insert(*generation);
                    }
                    let leaving = self
                        .workers
                        .values()
                        .find(|w| w.told.is_some() && w.who.generation != *generation);
                    // A stage needs all slots.
                    let wanted = if stages { u64::MAX } else { 1 };
                    let refused = matches!(why, ReloadFailure::NoMemory { .. });
                    law!(
                        !refused || self.room < Some(wanted) && leaving.is_none(),
                        "{report:?} with room for {:?} and {leaving:?}",
                        self.room
                    );
                }
            }
            Report::ScaledByLoad(decision) => self.judge_scaling(decision, supervisor)?,
            Report::ScaledByCpus {
                from, to, bounds, ..
            } => {
                self.judge_cpus(*to, *bounds)?;
                let added = u64::from(to.saturating_sub(*from));
                self.room = self.room.map(|room| room + added);
            }
            // What an operator adds is not measured.
            Report::Scaled { from, to } => {
                let added = u64::from(to.saturating_sub(*from));
                self.room = self.room.map(|room| room + added);
            }
            Report::ReloadLimited { .. } => self.surged = true,
            Report::Retiring { worker, .. } => {
                law!(
                    self.reload.is_none() || supervisor.server.reload.is_held(),
                    "{report:?} during a reload"
                );
                for other in self
                    .workers
                    .values()
                    .filter(|w| w.retired && w.hung.is_none())
                {
                    let leaves = other.told.is_some();
                    let successor = |w: &Facts| {
                        w.who.slot == other.who.slot
                            && w.who.generation == other.who.generation
                            && w.who.incarnation > other.who.incarnation
                            && if leaves { w.went } else { w.boots() }
                    };
                    let busy = self.workers.values().any(successor);
                    law!(
                        !busy || other.who.incarnation == worker.incarnation,
                        "{report:?} beside {other:?}"
                    );
                }
                if let Some(facts) = self.workers.get_mut(&worker.incarnation) {
                    facts.retired = true;
                }
            }
            _ => {}
        }
        Ok(())
    }
}
