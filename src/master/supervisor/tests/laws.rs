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
