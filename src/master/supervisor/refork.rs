//! `--refork-after`: a worker that has served for a while becomes the mold of its generation, and the other workers are replaced by
//! workers that are forked from it, one after the other, replacement first.
//!
//! Its own replacement is ready before it stops, so that no worker is missing at any time. The mold before is kept until a worker of
//! the new one is ready: if that fails, it is the mold again, and the generation stays as it is.

use super::limits::Retirement;
use super::mold::Mold;
use super::mutation::fault;
use super::refork_state::Refork;
use super::steps::FAST;
use super::worker::{Worker, WorkerLife};
use super::{
    Action, Beat, BootFailure, DrainCause, Exit, Generation, Incarnation, Order, ReforkFailure,
    Report, Supervisor, Who,
};

impl Supervisor {
    /// It may have served long enough to become the mold, or be older than the mold.
    pub(super) fn look_at_refork(&mut self, beat: Beat) {
        let serving = |w: &&Worker| w.life == WorkerLife::Serving;
        let Some(worker) = self.workers.get(beat.incarnation).filter(serving) else {
            return;
        };
        let generation = worker.who.generation;
        let is_ready = self.mold_is_ready(generation);
        let Some(refork) = self.molds.get(&generation).map(|mold| mold.refork) else {
            return;
        };
        let why = match refork {
            Refork::Untried if self.served_enough(generation, beat) && is_ready => {
                Retirement::BecomesMold
            }
            Refork::Refused
                if fault!(self, ReforkAgain) && self.served_enough(generation, beat) =>
            {
                Retirement::BecomesMold
            }
            Refork::Settling { last } | Refork::Settled { last }
                if beat.incarnation <= last && !fault!(self, OlderWorkersStay) =>
            {
                Retirement::OlderMold
            }
            _ => return,
        };
        self.take_retirement(beat.incarnation, why);
    }

    fn served_enough(&self, generation: Generation, beat: Beat) -> bool {
        let chosen = |retiree: &super::Retiree| retiree.why == Retirement::BecomesMold;
        generation == self.generation
            && self
                .plan
                .refork_after
                .is_some_and(|after| beat.requests >= after)
            && !self.retirees.iter().any(chosen)
    }

    /// Its replacement is ready: it leaves, or becomes the mold if it was chosen for that.
    pub(super) fn replace(&mut self, old: Who) {
        let chosen = self.retirees.iter().any(|retiree| {
            retiree.incarnation == old.incarnation && retiree.why == Retirement::BecomesMold
        });
        let (generation, graceful) = (old.generation, self.plan.graceful_timeout);
        let possible = generation == self.generation && self.mold_is_ready(generation);
        let again = fault!(self, ReforkAgain);
        let mold = self.molds.get_mut(&generation);
        let mold = mold.filter(|mold| mold.refork == Refork::Untried || again);
        let Some(mold) = mold.filter(|_| chosen && possible) else {
            self.drain(old.incarnation, DrainCause::Replaced, graceful);
            return;
        };
        mold.refork = Refork::Ordered(old.incarnation);
        self.begin_drain_of(old.incarnation, graceful);
        self.act(Action::Send {
            incarnation: old.incarnation,
            order: Order::BecomeMold { graceful },
        });
    }

    /// It has ended its requests and its threads, and waits to be the mold.
    pub(super) fn take_can_fork(&mut self, incarnation: Incarnation) {
        let drains = |w: &&Worker| matches!(w.life, WorkerLife::Draining { .. });
        let Some(worker) = self.workers.get(incarnation).filter(drains) else {
            return;
        };
        let generation = worker.who.generation;
        let mold = self.molds.get_mut(&generation);
        match mold.filter(|mold| mold.refork == Refork::Ordered(incarnation)) {
            Some(mold) => mold.refork = Refork::Waiting(incarnation),
            None => self.stop_fast(incarnation, FAST),
        }
    }

    /// Lets a worker be the mold as soon as the one before has nothing left to fork.
    pub(super) fn advance_refork(&mut self) {
        let waiting = |(generation, mold): (&Generation, &Mold)| match mold.refork {
            Refork::Waiting(incarnation) => Some((*generation, incarnation)),
            _ => None,
        };
        let Some((generation, incarnation)) = self.molds.iter().find_map(waiting) else {
            return;
        };
        if !self.keeps_up() {
            return;
        }
        let unforked = |w: &Worker| w.who.generation == generation && !w.forked;
        let who = self.workers.get(incarnation).map(|w| w.who);
        let wanted = generation == self.generation && self.mold_is_ready(generation);
        let Some(who) = who.filter(|_| wanted) else {
            self.set_refork(generation, Refork::Untried);
            self.stop_fast(incarnation, FAST);
            return;
        };
        if self.workers.values().any(unforked) && !fault!(self, ReforkDropsWorkers) {
            return;
        }
        self.workers.remove(incarnation);
        self.act(Action::AdoptMold {
            incarnation,
            generation,
        });
        let last = self.last_incarnation;
        self.renew_mold(generation, Refork::Settling { last });
        self.report(Report::MoldAdopted { worker: who });
        if fault!(self, MoldBeforeEndsEarly) {
            self.settle_refork(generation, last);
        }
    }

    fn set_refork(&mut self, generation: Generation, refork: Refork) {
        if let Some(mold) = self.molds.get_mut(&generation) {
            mold.refork = refork;
        }
    }

    /// A worker became ready.
    pub(super) fn note_forked_worker(&mut self, who: Who) {
        if let Some(last) = self.settles_with(who) {
            self.settle_refork(who.generation, last);
        }
    }

    fn settle_refork(&mut self, generation: Generation, last: Incarnation) {
        self.set_refork(generation, Refork::Settled { last });
        self.act(Action::EndMoldBefore { generation });
        self.report(Report::Reforked { generation });
    }

    /// Whether the mold that has forked this worker is to be shown by it.
    fn settles_with(&self, who: Who) -> Option<Incarnation> {
        match self.molds.get(&who.generation)?.refork {
            Refork::Settling { last } if who.incarnation > last => Some(last),
            _ => None,
        }
    }

    /// A worker did not become ready.
    pub(super) fn note_unforked_worker(&mut self, who: Who, why: BootFailure) {
        if self.settles_with(who).is_some() {
            self.return_to_mold(who.generation, ReforkFailure::Boot { worker: who, why });
        }
    }

    /// The mold has ended, or hangs. True: the one before is the mold again.
    pub(super) fn mold_returns(&mut self, generation: Generation, why: BootFailure) -> bool {
        let mold = self.molds.get(&generation);
        let settling = mold.is_some_and(|m| matches!(m.refork, Refork::Settling { .. }));
        if settling && self.keeps_up() {
            self.return_to_mold(generation, ReforkFailure::Mold(why));
            return true;
        }
        false
    }

    fn return_to_mold(&mut self, generation: Generation, why: ReforkFailure) {
        self.renew_mold(generation, Refork::Refused);
        // One whose replacement boots already goes on: the next retirement waits for it.
        let workers = &self.workers;
        self.retirees.retain(|retiree| {
            let slot = workers.get(retiree.incarnation).map(|w| w.who.slot);
            let boots = slot.is_some_and(|slot| workers.in_slot(slot).any(Worker::is_booting));
            retiree.why != Retirement::OlderMold || boots
        });
        self.act(Action::ReturnToMoldBefore { generation });
        self.report(Report::NotReforked { generation, why });
    }

    /// A worker exited. If it was to become the mold, that is not tried again.
    pub(super) fn note_refork_exit(&mut self, who: Who, exit: Exit) {
        let ordered = [Refork::Ordered, Refork::Waiting].map(|it| it(who.incarnation));
        let mold = self.molds.get_mut(&who.generation);
        if let Some(mold) = mold.filter(|mold| ordered.contains(&mold.refork)) {
            mold.refork = Refork::Refused;
            if self.keeps_up() {
                self.report(Report::NotReforked {
                    generation: who.generation,
                    why: ReforkFailure::Exited(exit),
                });
            }
        }
    }
}
