//! The server as the supervisor knows it: what is wanted, what lives, what is under way. Every topic decides on it; here are only the
//! facts, and the few verbs that all topics use.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use serde::{Deserialize, Serialize};

use super::chance::Chance;
use super::companion::{CompanionFacts, KeptCompanions};
use super::effects::Effects;
use super::fleet::Fleet;
use super::helper::Helpers;
use super::mold_state::KnownMolds;
use super::mutation::fault;
use super::phase::MasterPhase;
use super::reload_state::{Previous, QueuedRollout, Reload};
use super::retiree::Retiree;
use super::scaling_state::Scaling;
use super::slot::SlotState;
use super::worker::Worker;
use super::{
    Action, Answer, AvailableMemory, Generation, Incarnation, Moment, Plan, Report, Slot, Token,
    Who,
};

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Server {
    pub(super) plan: Plan,
    /// Number of slots of the serving generation: the plan's number, changed by scaling.
    pub(super) target: u32,
    pub(super) scaling: Scaling,
    /// The newest generation that took over as a whole.
    pub(super) generation: Generation,
    /// The last number assigned.
    pub(super) last_generation: Generation,
    pub(super) last_incarnation: Incarnation,
    pub(super) phase: MasterPhase,
    pub(super) places: BTreeMap<Slot, SlotState>,
    pub(super) workers: Fleet,
    /// As announced by the last `Action::Lead`.
    pub(super) leader: Option<Incarnation>,
    pub(super) helpers: Helpers,
    pub(super) companions: KeptCompanions,
    pub(super) molds: KnownMolds,
    pub(super) reload: Reload,
    /// A requested rollout that has not begun.
    pub(super) queued: Option<QueuedRollout>,
    /// Kept for a rollback.
    pub(super) previous: Option<Previous>,
    pub(super) retirees: VecDeque<Retiree>,
    /// Generations whose settings the shell must keep.
    pub(super) known: BTreeSet<Generation>,
    pub(super) pulse_at: Moment,
    /// Slots that may have to be filled: their worker has exited, or they wait for their pacing. The others are
    /// skipped.
    pub(super) vacant: BTreeSet<Slot>,
    pub(super) spawning: Spawning,
    /// The last measurement.
    pub(super) memory: Option<AvailableMemory>,
    pub(super) all_failing: AllFailing,
    pub(super) listeners: Listeners,
    #[serde(rename = "clock")]
    pub(super) effects: Effects,
    pub(super) chance: Chance,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum AllFailing {
    Reported,
    No,
}

/// Whether every slot that could be filled was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Spawning {
    Done,
    /// Continued in the next call, so that pending events are handled first.
    MoreToDo,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Listeners {
    Open,
    Closed,
}

impl Server {
    /// Before anything has been started. `seed`: for the random jitter of workers' limits.
    pub(super) fn new(plan: Plan, seed: u64) -> Self {
        Self {
            target: plan.wanted(),
            phase: MasterPhase::first(plan.preparations),
            helpers: Helpers::new(&plan.helpers),
            leader: None,
            companions: KeptCompanions::default(),
            molds: KnownMolds::of_first(&plan),
            scaling: Scaling::new(&plan),
            plan,
            generation: Generation(1),
            last_generation: Generation(1),
            last_incarnation: Incarnation(0),
            places: BTreeMap::new(),
            workers: Fleet::default(),
            reload: Reload::Idle,
            queued: None,
            previous: None,
            retirees: VecDeque::new(),
            known: BTreeSet::from([Generation(1)]),
            pulse_at: Moment::default(),
            vacant: BTreeSet::new(),
            spawning: Spawning::Done,
            memory: None,
            all_failing: AllFailing::No,
            listeners: Listeners::Open,
            effects: Effects::default(),
            chance: Chance::new(seed),
        }
    }

    pub(super) fn now(&self) -> Moment {
        self.effects.now()
    }

    pub(super) fn act(&mut self, action: Action) {
        self.effects.act(action);
    }

    pub(super) fn report(&mut self, report: Report) {
        self.effects.report(report);
    }

    pub(super) fn reply(&mut self, token: Token, answer: Answer) {
        self.effects.reply(token, answer);
    }

    /// The first boot or normal service: workers that end are replaced.
    pub(super) fn keeps_up(&self) -> bool {
        self.phase.keeps_up()
    }

    pub(super) fn incarnations(&self, wanted: impl Fn(&Worker) -> bool) -> Vec<Incarnation> {
        self.workers
            .values()
            .filter(|w| wanted(w))
            .map(|w| w.who.incarnation)
            .collect()
    }

    /// The worker that fills the slot or is about to; of two (a worker and its replacement), the one that serves.
    pub(super) fn occupant(&self, slot: Slot, generation: Generation) -> Option<&Worker> {
        self.workers
            .in_slot(slot)
            .filter(|w| w.who.generation == generation && w.stays())
            .max_by_key(|w| w.ready.is_some())
    }

    /// The place of a worker, unless another generation belongs there (that of a rollout, before the switch).
    pub(super) fn place_of(&mut self, who: Who) -> Option<&mut SlotState> {
        self.places
            .get_mut(&who.slot)
            .filter(|place| place.generation == who.generation)
    }

    /// It belongs to the generation that is being rolled out.
    pub(super) fn is_rolled_out(&self, who: Who) -> bool {
        self.reload
            .rollout()
            .is_some_and(|rollout| rollout.generation == who.generation)
    }

    /// Whether workers of that generation can be forked.
    pub(super) fn can_fork(&self, generation: Generation) -> bool {
        fault!(self.effects, MoldIsNotAwaited) || self.molds.can_fork(generation)
    }

    /// Brings the companions that run to those that are wanted.
    pub(super) fn keep_companions(&mut self) {
        let facts = CompanionFacts {
            phase: self.phase,
            generation: self.generation,
            coming: self.reload.generation(),
            plans: &self.plan.companions,
        };
        self.companions.keep(&facts, &mut self.effects);
    }
}
