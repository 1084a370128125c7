//! Replacing workers that serve (requests, memory, lifetime, an operator's command): one at a time, replacement
//! first.
//!
//! The next one waits until the old process has exited, so that recycling never costs more than one process above the
//! count, and all of them wait for a reload: it replaces all workers anyway.

use serde::{Deserialize, Serialize};

use super::limits::WorkerUsage;
use super::mutation::fault;
use super::reload_state::Reload;
use super::worker::{Worker, WorkerLife};
use super::{
    Beat, DrainCause, Incarnation, MasterPhase, Report, Retirement, Slot, Supervisor, Token, Who,
};

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Retiree {
    pub(super) incarnation: Incarnation,
    pub(super) why: Retirement,
    /// Its replacement was booted at least once.
    pub(super) begun: RecycleStarted,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum RecycleStarted {
    Yes,
    No,
}

impl Supervisor {
    /// It may have reached one of its limits.
    pub(super) fn look_at_limits(&mut self, beat: Beat) {
        let now = self.now();
        let Some(worker) = self
            .workers
            .get_mut(beat.incarnation)
            .filter(|w| w.is_ready())
        else {
            return;
        };
        let done = WorkerUsage {
            requests: beat.requests,
            memory: beat.memory,
            age: worker.uptime(now),
        };
        let passed = worker.limits.passed(done);
        if let Some(excess) = passed.filter(|_| !fault!(self, LimitsAreIgnored)) {
            worker.excess = Some(excess);
            self.take_retirement(beat.incarnation, excess.why);
        }
    }

    pub(super) fn take_retirement(&mut self, incarnation: Incarnation, why: Retirement) {
        let ready = self.workers.get(incarnation).is_some_and(|w| w.is_ready());
        let known = self
            .retirees
            .iter()
            .any(|retiree| retiree.incarnation == incarnation);
        if !ready || known || !self.keeps_up() {
            return;
        }
        let place = match why {
            // A command or a hung worker goes before queued retirements, but not before one that has begun.
            Retirement::Requested | Retirement::Hung => self.retirees.len().min(1),
            Retirement::Requests
            | Retirement::Memory
            | Retirement::Lifetime
            | Retirement::BecomesMold
            | Retirement::OlderMold => self.retirees.len(),
        };
        self.retirees.insert(
            place,
            Retiree {
                incarnation,
                why,
                begun: RecycleStarted::No,
            },
        );
    }

    /// `ctl restart-worker`: answered when the slot's next worker goes, or has failed to boot.
    pub(super) fn restart_slot(&mut self, token: Token, slot: Slot) {
        let now = self.now();
        let Some(place) = self.places.get_mut(&slot) else {
            self.reply(token, super::Answer::NoSuchSlot { slot });
            return;
        };
        place.waiting.push(token);
        // If no worker serves there, the operator wants to end the pause between retries.
        place.pacing.not_before = now;
        self.vacant.insert(slot);
        let generation = place.generation;
        if let Some(worker) = self.occupant(slot, generation) {
            self.take_retirement(worker.who.incarnation, Retirement::Requested);
        }
    }

    pub(super) fn recycle(&mut self) {
        let idle = matches!(self.reload, Reload::Idle) || self.reload.is_held();
        let quiet = idle && self.queued.is_none();
        if self.phase != MasterPhase::Running || !(quiet || fault!(self, RetireDuringReload)) {
            return;
        }
        let (workers, places) = (&self.workers, &self.places);
        self.retirees.retain(|retiree| {
            workers
                .get(retiree.incarnation)
                .is_some_and(|w| !w.stays() || places.contains_key(&w.who.slot))
        });
        let at_once = if fault!(self, RetireSeveralAtOnce) {
            self.retirees.len()
        } else {
            1
        };
        let chosen: Vec<_> = self
            .retirees
            .iter()
            .take(at_once)
            .map(|r| (r.incarnation, r.why))
            .collect();
        for (incarnation, why) in chosen {
            self.boot_replacement(incarnation, why);
        }
    }

    fn boot_replacement(&mut self, incarnation: Incarnation, why: Retirement) {
        let Some(Who {
            slot, generation, ..
        }) = self
            .workers
            .get(incarnation)
            .filter(|w| w.life == WorkerLife::Serving)
            .map(|w| w.who)
        else {
            return;
        };
        let boots = self.workers.in_slot(slot).any(Worker::is_booting);
        let paced = self
            .places
            .get(&slot)
            .is_none_or(|p| p.pacing.not_before > self.now());
        if boots || paced || self.takes_back() || !self.can_fork(generation) {
            return;
        }
        if let Some(retiree) = self
            .retirees
            .iter_mut()
            .find(|r| r.incarnation == incarnation)
            && std::mem::replace(&mut retiree.begun, RecycleStarted::Yes) == RecycleStarted::No
        {
            let worker = Who {
                incarnation,
                slot,
                generation,
            };
            let known = self.workers.get(incarnation).and_then(|w| w.excess);
            let excess = known.filter(|excess| excess.why == why);
            self.report(Report::Retiring {
                worker,
                why,
                excess,
            });
        }
        self.spawn(slot, generation, self.plan.boot_timeout);
        if fault!(self, RetireDrainsFirst) {
            self.drain(
                incarnation,
                DrainCause::Replaced,
                self.plan.graceful_timeout,
            );
        }
    }

    /// The replacement is ready: the old worker of its slot drains, and at the same time the new one goes.
    pub(super) fn complete_replacement(&mut self, new: Who) {
        let old = self
            .workers
            .in_slot(new.slot)
            .find(|w| w.life == WorkerLife::Serving);
        if let Some(old) = old.map(|w| w.who) {
            self.replace(old);
            self.report(Report::Replaced { old, new });
        }
        self.go(new.incarnation);
    }

    /// A rollout begins: replacements of the old generation that still boot are not needed any more.
    pub(super) fn cancel_recycling(&mut self) {
        let serves = |slot: Slot| {
            self.workers
                .in_slot(slot)
                .any(|w| w.life == WorkerLife::Serving)
        };
        for replacement in self.incarnations(|w| w.is_booting() && serves(w.who.slot)) {
            self.dismiss(replacement);
        }
    }
}
