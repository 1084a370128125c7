//! Companions: the programs that run beside the workers. When each is started, terminated, killed and restarted.
//!
//! They start once all workers have been ready, belong to the generation that serves, and are never changed by a generation
//! that does not come to serve. Two processes of one companion never run at the same time.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::effects::Effects;
use super::mutation::fault;
use super::pacing::Pacing;
use super::phase::{FAST, MasterPhase};
use super::{
    Action, Answer, CompanionEnd, CompanionId, CompanionPlan, CompanionReport, Exit, Generation,
    Moment, Report, Retry, StopMode, Token,
};

/// What of the server they depend on.
pub(super) struct CompanionFacts<'a> {
    pub(super) phase: MasterPhase,
    /// The one that serves.
    pub(super) generation: Generation,
    /// The one that a reload starts.
    pub(super) coming: Option<Generation>,
    /// Those that the settings of the one that serves name.
    pub(super) plans: &'a [CompanionPlan],
}

/// What a status display may see of one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CompanionView<'a> {
    pub companion: CompanionId,
    pub name: &'a str,
    pub stage: CompanionStage,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CompanionStage {
    /// Between two processes.
    Paused,
    Running,
    Stopping,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct KeptCompanions {
    /// Whose settings they have.
    generation: Generation,
    last: CompanionId,
    all: BTreeMap<CompanionId, KeptCompanion>,
}

#[derive(Debug, Serialize, Deserialize)]
struct KeptCompanion {
    plan: CompanionPlan,
    wanted: Wanted,
    life: Life,
    pacing: Pacing,
    /// Clients that asked for a new process.
    waiting: Vec<Token>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum Wanted {
    Yes,
    /// The settings do not name it any more.
    No,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum Life {
    /// Starts when its pause is over.
    Paused,
    Running {
        since: Moment,
    },
    /// SIGTERM was sent.
    Ending {
        since: Moment,
        kill_at: Moment,
    },
    Killed {
        /// SIGTERM was sent.
        since: Moment,
    },
}

impl Default for KeptCompanions {
    /// Before the first boot is over there are none.
    fn default() -> Self {
        Self {
            generation: Generation(0),
            last: CompanionId(0),
            all: BTreeMap::new(),
        }
    }
}

impl KeptCompanion {
    fn is_gone(&self) -> bool {
        self.life == Life::Paused
    }
}

impl KeptCompanions {
    /// Brings what runs to what is wanted.
    pub(super) fn keep(&mut self, facts: &CompanionFacts<'_>, effects: &mut Effects) {
        match facts.phase {
            MasterPhase::Running => {
                self.adopt(facts, effects);
                self.start_due(facts, effects);
            }
            MasterPhase::FirstBoot if fault!(effects, CompanionsBeforeWorkers) => {
                self.adopt(facts, effects);
                self.start_due(facts, effects);
            }
            MasterPhase::Stopping { mode, .. } => self.end_all(mode, effects),
            MasterPhase::Preparing(_)
            | MasterPhase::FirstBoot
            | MasterPhase::Delayed { .. }
            | MasterPhase::Closing { .. }
            | MasterPhase::Gone => {}
        }
    }

    /// The generation that they are to be of, if it is another one: it serves, and has taken over as a whole.
    fn successor(&self, facts: &CompanionFacts<'_>, effects: &Effects) -> Option<Generation> {
        if fault!(effects, CompanionsOfComingGeneration) {
            return facts.coming.filter(|coming| *coming > self.generation);
        }
        let is_due = self.generation != facts.generation && facts.coming != Some(facts.generation);
        is_due.then_some(facts.generation)
    }

    /// Those of the new generation take the place of those of the old one, which end first.
    fn adopt(&mut self, facts: &CompanionFacts<'_>, effects: &mut Effects) {
        let Some(successor) = self.successor(facts, effects) else {
            return;
        };
        self.generation = successor;
        for companion in self.all.values_mut() {
            companion.wanted = Wanted::No;
        }
        for plan in facts.plans {
            self.want(plan.clone());
        }
        for companion in self.all.keys().copied().collect::<Vec<_>>() {
            self.end(companion, Duration::MAX, effects);
        }
        self.forget(effects);
    }

    fn want(&mut self, plan: CompanionPlan) {
        let mut known = self.all.values_mut();
        if let Some(known) = known.find(|known| known.plan.name == plan.name) {
            known.wanted = Wanted::Yes;
            // The one that runs has the grace that it was started with.
            if known.is_gone() {
                known.plan = plan;
                known.pacing = Pacing::default();
            }
            return;
        }
        self.last = CompanionId(self.last.0 + 1);
        let companion = KeptCompanion {
            plan,
            wanted: Wanted::Yes,
            life: Life::Paused,
            pacing: Pacing::default(),
            waiting: Vec::new(),
        };
        self.all.insert(self.last, companion);
    }

    /// Those of a generation that is about to be followed wait for their successors.
    fn may_start(&self, phase: MasterPhase, serves: Generation, effects: &Effects) -> bool {
        phase == MasterPhase::Running && self.generation == serves
            || fault!(effects, CompanionsBeforeWorkers)
    }

    fn start_due(&mut self, facts: &CompanionFacts<'_>, effects: &mut Effects) {
        if !self.may_start(facts.phase, facts.generation, effects) {
            return;
        }
        let now = effects.now();
        let generation = self.generation;
        let due = self.all.iter_mut().filter(|(_, companion)| {
            companion.life == Life::Paused && companion.pacing.not_before <= now
        });
        for (id, companion) in due {
            let mut plans = facts.plans.iter();
            if let Some(plan) = plans.find(|it| it.name == companion.plan.name) {
                companion.plan.clone_from(plan);
            }
            companion.life = Life::Running { since: now };
            effects.act(Action::StartCompanion {
                companion: *id,
                generation,
            });
        }
    }

    /// The process is there.
    pub(super) fn take_start(&mut self, id: CompanionId, effects: &mut Effects) {
        let Some(companion) = self.all.get_mut(&id) else {
            return;
        };
        if matches!(companion.life, Life::Running { .. }) {
            for token in std::mem::take(&mut companion.waiting) {
                effects.reply(token, Answer::CompanionRestarted { companion: id });
            }
        }
    }

    /// `restarts`: whether those that end are started again.
    pub(super) fn take_end(
        &mut self,
        id: CompanionId,
        end: CompanionEnd,
        restarts: bool,
        effects: &mut Effects,
    ) {
        let now = effects.now();
        let Some(companion) = self.all.get_mut(&id) else {
            return;
        };
        let what = match companion.life {
            Life::Paused => return,
            Life::Running { since } => {
                let from_outside = match end {
                    CompanionEnd::Exited(Exit::Signal { signal, .. }) => matches!(signal, 9 | 15),
                    CompanionEnd::Exited(Exit::OutOfMemory) => true,
                    CompanionEnd::Exited(Exit::Code(_)) | CompanionEnd::NotStarted => false,
                };
                let retry = if from_outside {
                    companion.pacing.killed(now, Some(since))
                } else {
                    companion.pacing.failed(now, Some(since))
                };
                let retry = if restarts { retry } else { Retry::None };
                let uptime = now.since(since);
                CompanionReport::Died { end, uptime, retry }
            }
            Life::Ending { since, .. } | Life::Killed { since } => {
                companion.pacing = Pacing::default();
                let after = now.since(since);
                CompanionReport::Left { end, after }
            }
        };
        companion.life = Life::Paused;
        let failed = matches!(what, CompanionReport::Died { .. });
        let waiting = if failed {
            std::mem::take(&mut companion.waiting)
        } else {
            Vec::new()
        };
        if fault!(effects, CompanionsAreNotPaced) {
            companion.pacing.not_before = now;
        }
        for token in waiting {
            effects.reply(token, Answer::CompanionNotStarted { companion: id });
        }
        let companion = id;
        effects.report(Report::Companion { companion, what });
        self.forget(effects);
    }

    /// Terminates one that runs. `most`: upper bound of its grace.
    fn end(&mut self, id: CompanionId, most: Duration, effects: &mut Effects) {
        let now = effects.now();
        let Some(companion) = self.all.get_mut(&id) else {
            return;
        };
        let latest = now + companion.plan.grace.min(most);
        match &mut companion.life {
            Life::Running { .. } => {
                companion.life = Life::Ending {
                    since: now,
                    kill_at: latest,
                };
                effects.act(Action::EndCompanion { companion: id });
            }
            Life::Ending { kill_at, .. } => *kill_at = latest.min(*kill_at),
            Life::Paused | Life::Killed { .. } => {}
        }
    }

    /// The server stops.
    fn end_all(&mut self, mode: StopMode, effects: &mut Effects) {
        if fault!(effects, CompanionsAreNotTerminated) {
            return;
        }
        let most = match mode {
            StopMode::Graceful => Duration::MAX,
            StopMode::Fast => FAST,
        };
        for id in self.all.keys().copied().collect::<Vec<_>>() {
            self.end(id, most, effects);
        }
    }

    /// The server stops: none starts again.
    pub(super) fn abandon(&mut self, effects: &mut Effects) {
        let mut waiting = Vec::new();
        for companion in self.all.values_mut() {
            companion.wanted = Wanted::No;
            waiting.append(&mut companion.waiting);
        }
        for token in waiting {
            effects.reply(token, Answer::ServerStopping);
        }
        self.forget(effects);
    }

    /// Those that are neither there nor wanted.
    fn forget(&mut self, effects: &mut Effects) {
        let goes =
            |companion: &KeptCompanion| companion.is_gone() && companion.wanted == Wanted::No;
        let mut waiting = Vec::new();
        for companion in self.all.values_mut().filter(|it| goes(it)) {
            waiting.append(&mut companion.waiting);
        }
        self.all.retain(|_, companion| !goes(companion));
        for token in waiting {
            effects.reply(token, Answer::NoSuchCompanion);
        }
    }

    /// An operator wants a new process of it.
    pub(super) fn restart(&mut self, token: Token, id: CompanionId, effects: &mut Effects) {
        let now = effects.now();
        match self.all.get_mut(&id) {
            Some(companion) if companion.wanted == Wanted::Yes => {
                companion.waiting.push(token);
                if companion.is_gone() {
                    companion.pacing.not_before = now;
                }
                self.end(id, Duration::MAX, effects);
            }
            Some(_) | None => effects.reply(token, Answer::NoSuchCompanion),
        }
    }

    /// Kills those whose grace is over.
    pub(super) fn enforce(&mut self, effects: &mut Effects) {
        let now = effects.now();
        if fault!(effects, CompanionsAreNotKilled) {
            return;
        }
        for (id, companion) in &mut self.all {
            let Life::Ending { since, kill_at } = companion.life else {
                continue;
            };
            if kill_at <= now {
                companion.life = Life::Killed { since };
                let (companion, after) = (*id, now.since(since));
                let what = CompanionReport::Overdue { after };
                effects.report(Report::Companion { companion, what });
                effects.act(Action::KillCompanion { companion });
            }
        }
    }

    /// `serves`: the generation that serves.
    pub(super) fn deadline(
        &self,
        phase: MasterPhase,
        serves: Generation,
        effects: &Effects,
    ) -> Option<Moment> {
        let starts = self.may_start(phase, serves, effects);
        let due = self.all.values();
        due.filter_map(|companion| match companion.life {
            Life::Paused => Some(companion.pacing.not_before).filter(|_| starts),
            Life::Ending { kill_at, .. } => Some(kill_at),
            Life::Running { .. } | Life::Killed { .. } => None,
        })
        .min()
    }

    /// Whether one of them has a process.
    pub(super) fn run(&self) -> bool {
        self.all.values().any(|companion| !companion.is_gone())
    }

    /// In the order in which their names came up.
    pub(super) fn views(&self) -> impl Iterator<Item = CompanionView<'_>> {
        self.all.iter().map(|(companion, it)| CompanionView {
            companion: *companion,
            name: &it.plan.name,
            stage: match it.life {
                Life::Paused => CompanionStage::Paused,
                Life::Running { .. } => CompanionStage::Running,
                Life::Ending { .. } | Life::Killed { .. } => CompanionStage::Stopping,
            },
        })
    }
}
