//! What is known of the molds: the process of each generation that has one, its life, and its pacing. The decisions are in `mold.rs`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::pacing::Pacing;
use super::refork_state::Refork;
use super::slot::{BootCondition, Proven};
use super::{ForkedFrom, Generation, Moment, Plan};

/// Of the generations that have one.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct KnownMolds(BTreeMap<Generation, Mold>);

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Mold {
    pub(super) life: MoldLife,
    pub(super) pacing: Pacing,
    pub(super) proven: Proven,
    pub(super) awaits: BootCondition,
    /// `--refork-after`
    #[serde(default)]
    pub(super) refork: Refork,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum MoldLife {
    /// There is no process. One is started when the pause is over.
    Absent,
    Booting {
        started: Moment,
        until: Moment,
    },
    Ready {
        since: Moment,
    },
    /// It reported why it failed, and exits by itself.
    Failed {
        kill_at: Moment,
    },
    Killed,
}

impl Mold {
    fn new() -> Self {
        Self {
            life: MoldLife::Absent,
            pacing: Pacing::default(),
            proven: Proven::Never,
            awaits: BootCondition::Nothing,
            refork: Refork::default(),
        }
    }

    pub(super) fn is_ready(&self) -> bool {
        matches!(self.life, MoldLife::Ready { .. })
    }

    pub(super) fn deadline(&self) -> Option<Moment> {
        match self.life {
            MoldLife::Booting { until, .. } => Some(until),
            MoldLife::Failed { kill_at } => Some(kill_at),
            MoldLife::Absent | MoldLife::Ready { .. } | MoldLife::Killed => None,
        }
    }
}

impl KnownMolds {
    pub(super) fn of_first(plan: &Plan) -> Self {
        let mut molds = Self::default();
        molds.add(Generation(1), plan);
        molds
    }

    /// That of a new generation, if its plan asks for one.
    pub(super) fn add(&mut self, generation: Generation, plan: &Plan) {
        if plan.forked_from == ForkedFrom::Mold {
            self.0.insert(generation, Mold::new());
        }
    }

    pub(super) fn remove(&mut self, generation: Generation) {
        self.0.remove(&generation);
    }

    pub(super) fn get(&self, generation: Generation) -> Option<&Mold> {
        self.0.get(&generation)
    }

    pub(super) fn get_mut(&mut self, generation: Generation) -> Option<&mut Mold> {
        self.0.get_mut(&generation)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (Generation, &Mold)> {
        self.0.iter().map(|(generation, mold)| (*generation, mold))
    }

    pub(super) fn generations(&self) -> Vec<Generation> {
        self.0.keys().copied().collect()
    }

    /// Whether workers of that generation can be forked: by its mold, or by the master if it has none.
    pub(super) fn can_fork(&self, generation: Generation) -> bool {
        self.get(generation).is_none_or(Mold::is_ready)
    }

    /// Whether it can fork workers and call its last hook.
    pub(super) fn is_ready(&self, generation: Generation) -> bool {
        self.get(generation).is_some_and(Mold::is_ready)
    }

    /// Another process is the mold of that generation, and is ready.
    pub(super) fn renew(&mut self, generation: Generation, since: Moment, refork: Refork) {
        if let Some(mold) = self.get_mut(generation) {
            (mold.life, mold.refork) = (MoldLife::Ready { since }, refork);
        }
    }

    pub(super) fn set_refork(&mut self, generation: Generation, refork: Refork) {
        if let Some(mold) = self.get_mut(generation) {
            mold.refork = refork;
        }
    }
}
