//! The laws that the supervisor must keep, checked for every action and after each step.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::facts::Facts;
use super::oracle::{Broken, Oracle, law};
use crate::master::supervisor::reload_state::{Batch, Goal, Missing, Rollout};
use crate::master::supervisor::room;
use crate::master::supervisor::server::Spawning;
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

    pub(super) fn judge_preparation(
        &mut self,
        action: &Action,
        supervisor: &Supervisor,
    ) -> Result<(), Broken> {
        let plan = &supervisor.server.plan;
        match (action, self.preparing) {
            (Action::Prepare { step }, None) => {
                law!(*step == self.prepared, "{action:?} out of its order");
                let limit = plan.preparation_timeout;
                self.preparing = Some((
                    *step,
                    limit.map(|limit| self.now + limit + plan.graceful_timeout),
                ));
            }
            (Action::SignalPreparation { signal }, Some((step, until))) => {
                // `rgun ctl stop --fast` sends SIGTERM, too.
                let fast = self.stop.is_some_and(|stop| stop.mode == StopMode::Fast);
                let limit = match signal {
                    Signal::Term if !fast => plan.graceful_timeout,
                    _ => Duration::from_secs(3),
                };
                let end = self.now + limit;
                self.preparing = Some((step, Some(until.map_or(end, |until| until.min(end)))));
            }
            (Action::KillPreparation, Some(_)) => {}
            _ => return Err(format!("{action:?} with {:?}", self.preparing)),
        }
        Ok(())
    }

    pub(super) fn judge_exit(&mut self, code: u8) -> Result<(), Broken> {
        self.exited = true;
        let Some(closing) = self.closing else {
            return Err("it left without calling the last hook".into());
        };
        let waited = self.now.since(closing) + self.slack >= self.closing_limit;
        law!(self.helpers_ended || waited, "it left helpers behind");
        law!(self.preparing.is_none(), "it left a command behind");
        law!(!self.keeps_up(), "exit {code} that nobody asked for");
        law!(
            self.workers.is_empty(),
            "exit with {:?} alive",
            self.workers
        );
        law!(self.listeners_closed, "exit with open listeners");
        let expected = self.failed_boot.map_or(0, |(code, _)| code);
        law!(code == expected, "exit {code} instead of {expected}");
        law!(
            self.unanswered.is_empty(),
            "nobody answered {:?}",
            self.unanswered
        );
        Ok(())
    }

    /// Checked after each step.
    pub(super) fn judge_state(
        &mut self,
        caller: Moment,
        supervisor: &Supervisor,
        before: usize,
        actions: &[Action],
    ) -> Result<(), Broken> {
        let wake = supervisor.next_timeout();
        if self.exited {
            law!(wake.is_none(), "it wants to be woken after its exit");
            return Ok(());
        }
        let Some(wake) = wake else {
            return Err("it does not want to be woken".into());
        };
        law!(
            wake >= caller,
            "it wants to be woken {:?} ago",
            caller.since(wake)
        );
        law!(wake.since(caller) <= Duration::from_secs(1), "no pulse");
        self.judge_deadlines(supervisor)?;
        if self.closing.is_none() {
            self.judge_helpers()?;
        }
        self.judge_companions(supervisor)?;
        self.judge_leader(supervisor)?;
        if let (Some(Goal::Canary(_)), true) = (
            supervisor.server.reload.goal(),
            supervisor.server.reload.is_held(),
        ) && let Some(until) = self.canary_until
        {
            let late = self.now.since(until) > Duration::from_secs(2) + self.slack;
            law!(!late, "a canary outlives its time");
        }
        let waits = supervisor.server.queued.is_some();
        law!(
            !waits || self.staged.is_none(),
            "a rollout waits beside what is staged"
        );
        if let (Some(staged), Some(rollout)) =
            (&mut self.staged, supervisor.server.reload.rollout())
        {
            // A slot that was removed comes back without a history.
            staged.retain(|slot| slot.0 < rollout.target);
        }
        if let Some(closing) = self.closing {
            let late = self.now.since(closing) > self.closing_limit + self.slack;
            law!(!late && !self.helpers_ended, "it does not leave");
            return Ok(());
        }
        if let Some((_, until)) = self.preparing {
            let late = until.is_some_and(|until| self.now.since(until) > self.slack);
            law!(!late, "the command outlives its time");
            return Ok(());
        }
        if self.keeps_up() {
            let hung = actions
                .iter()
                .filter(|a| {
                    let whole = Extent::Whole;
                    matches!(a, Action::Report(Report::WorkerHung { extent, .. }) if *extent == whole)
                })
                .count();
            self.judge_capacity(supervisor, before.saturating_sub(hung))?;
            self.judge_places(supervisor)?;
            self.judge_molds(supervisor)?;
            self.judge_reforks()?;
            // A slot that was removed comes back without a history.
            self.failures
                .retain(|(slot, _), _| slot.0 < supervisor.target());
            self.awaiting.retain(|slot| slot.0 < supervisor.target());
            Ok(())
        } else {
            self.judge_stop(supervisor)
        }
    }

    /// Where somebody serves, one of them is the leader; a dead one never is.
    fn judge_leader(&self, supervisor: &Supervisor) -> Result<(), Broken> {
        let serves = |w: &&Facts| w.is_ready() && w.went && w.paused.is_none();
        let leader = self.leader.map(|leader| self.workers.get(&leader));
        law!(leader.is_none_or(|it| it.is_some()), "a dead leader");
        let leader = leader.flatten();
        let best = self
            .workers
            .values()
            .filter(serves)
            .min_by_key(|w| (w.who.generation != supervisor.generation(), w.who.slot));
        let place = |w: &Facts| (w.who.generation, w.who.slot);
        law!(
            best.is_none() || best.map(place) == leader.map(place),
            "{leader:?} leads, and {best:?} serves"
        );
        Ok(())
    }

    /// No worker stays longer in any state than is allowed.
    fn judge_deadlines(&self, supervisor: &Supervisor) -> Result<(), Broken> {
        let late = |limit: Moment| self.now.since(limit) > self.slack;
        for worker in self.workers.values() {
            if worker.boots() {
                // One more for its stacks.
                let most = worker.boot_timeout + Duration::from_secs(1);
                law!(!late(worker.spawned + most), "{worker:?} boots for ever");
                let since = worker.late;
                law!(
                    since.is_none_or(|since| !late(since + Duration::from_secs(1))),
                    "{worker:?} is not killed"
                );
            }
            if let Some(bound) = worker.bound {
                law!(worker.killed || !late(bound), "{worker:?} outlives its end");
            }
            if let (Some(since), Some(timeout)) = (worker.hung, supervisor.server.plan.timeout) {
                // Found by the next sample; its timeout counts from the last heartbeat.
                let found =
                    since.max(worker.ready.unwrap_or(since)) + timeout + Duration::from_secs(2);
                law!(
                    !worker.is_ready() || !late(found),
                    "{worker:?} hangs unnoticed"
                );
            }
        }
        if let Some(rollout) = supervisor.server.reload.rollout()
            && let Batch::Switching { until, .. } = rollout.batch
        {
            law!(
                supervisor.server.now() < until,
                "nobody goes, nobody accepts"
            );
        }
        Ok(())
    }

    /// Number of slots that are served. In the middle of a switch the new workers count: they are about to go.
    pub(super) fn capacity(&self) -> usize {
        let counts = |w: &&Facts| {
            let comes = self.switching
                && self
                    .coming
                    .is_some_and(|(of, end)| w.who.generation == of && w.who.slot.0 < end);
            w.is_ready() && (w.went && w.paused.is_none() || comes)
        };
        let slots: BTreeSet<_> = self
            .workers
            .values()
            .filter(counts)
            .map(|w| w.who.slot)
            .collect();
        slots.len()
    }

    /// No action of ours costs capacity.
    fn judge_capacity(&mut self, supervisor: &Supervisor, before: usize) -> Result<(), Broken> {
        self.switching = supervisor
            .server
            .reload
            .rollout()
            .is_some_and(Rollout::is_switching);
        let rollout = supervisor.server.reload.rollout();
        self.coming = rollout.map(|rollout| (rollout.generation, rollout.switched()));
        let (target, after) = (supervisor.target(), self.capacity());
        let leaves_slots = matches!(
            supervisor.server.reload.goal(),
            Some(Goal::Return {
                missing: Missing::Left,
                ..
            })
        );
        let winch = supervisor.server.plan.winch == Winch::RetiresWorkers;
        law!(target >= 1 || winch, "no worker wanted");
        law!(
            target <= supervisor.server.plan.most_workers,
            "too many wanted"
        );
        law!(
            after >= before.min(target as usize) || leaves_slots,
            "{after} slots serve where {before} of {target} did"
        );
        Ok(())
    }

    /// Each slot has the workers that it should have, and no others.
    fn judge_places(&mut self, supervisor: &Supervisor) -> Result<(), Broken> {
        let mut by_place: BTreeMap<(Slot, Generation), Vec<&Facts>> = BTreeMap::new();
        for worker in self.workers.values().filter(|w| w.told.is_none()) {
            by_place
                .entry((worker.who.slot, worker.who.generation))
                .or_default()
                .push(worker);
        }
        for (place, workers) in &by_place {
            match workers.as_slice() {
                [_] => {}
                [old, new] => law!(
                    old.went && old.retired && !new.went,
                    "two at {place:?}: {workers:?}"
                ),
                _ => return Err(format!("too many at {place:?}: {workers:?}")),
            }
            let previous = supervisor.previous().map(|it| it.generation);
            let paused = workers.iter().any(|w| w.paused.is_some());
            law!(
                !paused || self.reload.is_some() || previous == Some(place.1),
                "{workers:?} paused for nothing"
            );
            if self.reload.is_none() && !paused {
                let (slot, generation) = place;
                // One that serves may stay if the others do not.
                let needed = workers.iter().any(|w| w.went)
                    && self.capacity() <= supervisor.target() as usize;
                let wanted = slot.0 < supervisor.target() || needed;
                law!(wanted, "{workers:?} in a slot that is not wanted");
                // Surplus workers leave when they can be spared, also those of the previous generation.
                let surplus = slot.0 >= supervisor.target();
                let newest = *generation == supervisor.generation() || self.surged || surplus;
                law!(newest, "{workers:?} of a generation that is not wanted");
                let idle = |w: &&Facts| w.ready.is_some() && !w.went;
                law!(!workers.iter().any(idle), "{workers:?} waits for nothing");
            }
        }
        self.fewest_in_reload = self.fewest_in_reload.min(supervisor.target());
        for slot in (0..supervisor.target()).map(Slot) {
            let returns = matches!(supervisor.server.reload.goal(), Some(Goal::Return { .. }));
            let fills = |w: &&Facts| w.paused.is_none() || returns;
            let filled = by_place.iter().any(|((of, _), workers)| {
                *of == slot && workers.iter().copied().any(|w| fills(&w))
            });
            let added = self.reload.is_some() && slot.0 >= self.fewest_in_reload;
            let paced = self.failures.iter().any(|((of, _), failures)| {
                *of == slot && (failures.unsure || failures.not_before + self.slack > self.now)
            });
            let awaits = self.awaiting.contains(&slot);
            let soon = supervisor.server.spawning == Spawning::MoreToDo
                || room::is_being_freed(&supervisor.server)
                || self.waits_for_mold();
            law!(
                filled || added || paced || awaits || soon,
                "slot {slot} is empty"
            );
            law!(!filled || !awaits, "slot {slot} boots what has failed");
        }
        Ok(())
    }

    /// A stop is carried out at once.
    fn judge_stop(&self, supervisor: &Supervisor) -> Result<(), Broken> {
        if let Some(stop) = self.stop {
            let begun = self.now.since(stop.by) > self.slack
                || stop.mode == StopMode::Fast
                || supervisor.server.plan.shutdown_delay.is_zero();
            for worker in self.workers.values() {
                let serves = worker.is_ready() && worker.went;
                law!(
                    worker.told.is_some() || (serves && !begun),
                    "{worker:?} was not told"
                );
                if stop.mode == StopMode::Fast {
                    let limit = stop.by + Duration::from_secs(3);
                    let late = self.now.since(limit) > self.slack;
                    law!(worker.killed || !late, "{worker:?} outlives a fast stop");
                }
            }
            law!(self.listeners_closed || !begun, "the listeners stay open");
        }
        if let Some((_, at)) = self.failed_boot {
            let late = self.now.since(at) > Duration::from_millis(500) + self.slack;
            for worker in self.workers.values() {
                let ends = worker.told.is_some() && (worker.killed || !late);
                law!(ends, "{worker:?} outlives the first boot");
            }
        }
        Ok(())
    }
}
