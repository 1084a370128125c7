//! Companions: the programs that run beside the workers. When each is started, terminated, killed and restarted.
//!
//! They start once all workers have been ready, belong to the generation that serves, and are never changed by a generation
//! that does not come to serve. Two processes of one companion never run at the same time.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::mutation::fault;
use super::pacing::Pacing;
use super::steps::FAST;
use super::{
    Action, Answer, CompanionEnd, CompanionId, CompanionPlan, CompanionReport, Exit, Generation,
    MasterPhase, Moment, Report, Retry, StopMode, Supervisor, Token,
};

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

impl Supervisor {
    /// Brings what runs to what is wanted.
    pub(super) fn keep_companions(&mut self) {
        match self.phase {
            MasterPhase::Running => {
                self.adopt_companions();
                self.start_companions();
            }
            MasterPhase::FirstBoot if fault!(self, CompanionsBeforeWorkers) => {
                self.adopt_companions();
                self.start_companions();
            }
            MasterPhase::Stopping { mode, .. } => self.end_companions(mode),
            MasterPhase::Preparing(_)
            | MasterPhase::FirstBoot
            | MasterPhase::Delayed { .. }
            | MasterPhase::Closing { .. }
            | MasterPhase::Gone => {}
        }
    }

    /// Whether the generation that serves has taken over as a whole, and they are of another one.
    fn must_adopt(&self) -> bool {
        let coming = self.reload.generation();
        if fault!(self, CompanionsOfComingGeneration) {
            return coming.is_some_and(|coming| coming > self.companions.generation);
        }
        self.companions.generation != self.generation && coming != Some(self.generation)
    }

    /// Those of the new generation take the place of those of the old one, which end first.
    fn adopt_companions(&mut self) {
        if !self.must_adopt() {
            return;
        }
        let coming = self.reload.generation();
        self.companions.generation = match coming {
            Some(coming) if fault!(self, CompanionsOfComingGeneration) => coming,
            _ => self.generation,
        };
        for companion in self.companions.all.values_mut() {
            companion.wanted = Wanted::No;
        }
        for plan in self.plan.companions.clone() {
            self.want(plan);
        }
        for companion in self.companions.all.keys().copied().collect::<Vec<_>>() {
            self.end_companion(companion, Duration::MAX);
        }
        self.forget_companions();
    }

    fn want(&mut self, plan: CompanionPlan) {
        let companions = &mut self.companions;
        let mut known = companions.all.values_mut();
        if let Some(known) = known.find(|known| known.plan.name == plan.name) {
            known.wanted = Wanted::Yes;
            // The one that runs has the grace that it was started with.
            if known.is_gone() {
                known.plan = plan;
                known.pacing = Pacing::default();
            }
            return;
        }
        companions.last = CompanionId(companions.last.0 + 1);
        let companion = KeptCompanion {
            plan,
            wanted: Wanted::Yes,
            life: Life::Paused,
            pacing: Pacing::default(),
            waiting: Vec::new(),
        };
        companions.all.insert(companions.last, companion);
    }

    /// Those of a generation that is about to be followed wait for their successors.
    fn starts_companions(&self) -> bool {
        self.phase == MasterPhase::Running && self.companions.generation == self.generation
            || fault!(self, CompanionsBeforeWorkers)
    }

    /// Those that are due.
    fn start_companions(&mut self) {
        if !self.starts_companions() {
            return;
        }
        let now = self.now();
        let generation = self.companions.generation;
        let due = self.companions.all.iter_mut().filter(|(_, companion)| {
            companion.life == Life::Paused && companion.pacing.not_before <= now
        });
        for (id, companion) in due {
            let plan = self.plan.companions.iter();
            if let Some(plan) = plan.clone().find(|it| it.name == companion.plan.name) {
                companion.plan.clone_from(plan);
            }
            companion.life = Life::Running { since: now };
            self.actions.push(Action::StartCompanion {
                companion: *id,
                generation,
            });
        }
    }

    /// The process is there.
    pub(super) fn take_companion_start(&mut self, id: CompanionId) {
        let Some(companion) = self.companions.all.get_mut(&id) else {
            return;
        };
        if matches!(companion.life, Life::Running { .. }) {
            let waiting = std::mem::take(&mut companion.waiting);
            for token in waiting {
                self.reply(token, Answer::CompanionRestarted { companion: id });
            }
        }
    }

    pub(super) fn take_companion_end(&mut self, id: CompanionId, end: CompanionEnd) {
        let (now, runs) = (self.now(), self.phase == MasterPhase::Running);
        let Some(companion) = self.companions.all.get_mut(&id) else {
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
                let retry = if runs { retry } else { Retry::None };
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
        if fault!(self, CompanionsAreNotPaced)
            && let Some(companion) = self.companions.all.get_mut(&id)
        {
            companion.pacing.not_before = now;
        }
        for token in waiting {
            self.reply(token, Answer::CompanionNotStarted { companion: id });
        }
        let companion = id;
        self.report(Report::Companion { companion, what });
        self.forget_companions();
    }

    /// Terminates one that runs. `most`: upper bound of its grace.
    fn end_companion(&mut self, id: CompanionId, most: Duration) {
        let now = self.now();
        let Some(companion) = self.companions.all.get_mut(&id) else {
            return;
        };
        let latest = now + companion.plan.grace.min(most);
        match &mut companion.life {
            Life::Running { .. } => {
                companion.life = Life::Ending {
                    since: now,
                    kill_at: latest,
                };
                self.act(Action::EndCompanion { companion: id });
            }
            Life::Ending { kill_at, .. } => *kill_at = latest.min(*kill_at),
            Life::Paused | Life::Killed { .. } => {}
        }
    }

    /// The server stops.
    fn end_companions(&mut self, mode: StopMode) {
        if fault!(self, CompanionsAreNotTerminated) {
            return;
        }
        let most = match mode {
            StopMode::Graceful => Duration::MAX,
            StopMode::Fast => FAST,
        };
        for id in self.companions.all.keys().copied().collect::<Vec<_>>() {
            self.end_companion(id, most);
        }
    }

    /// The server stops: none starts again.
    pub(super) fn abandon_companions(&mut self) {
        let mut waiting = Vec::new();
        for companion in self.companions.all.values_mut() {
            companion.wanted = Wanted::No;
            waiting.append(&mut companion.waiting);
        }
        for token in waiting {
            self.reply(token, Answer::ServerStopping);
        }
        self.forget_companions();
    }

    /// Those that are neither there nor wanted.
    fn forget_companions(&mut self) {
        let goes =
            |companion: &KeptCompanion| companion.is_gone() && companion.wanted == Wanted::No;
        let mut waiting = Vec::new();
        for companion in self.companions.all.values_mut().filter(|it| goes(it)) {
            waiting.append(&mut companion.waiting);
        }
        self.companions.all.retain(|_, companion| !goes(companion));
        for token in waiting {
            self.reply(token, Answer::NoSuchCompanion);
        }
    }

    /// An operator wants a new process of it.
    pub(super) fn restart_companion(&mut self, token: Token, id: CompanionId) {
        let now = self.now();
        match self.companions.all.get_mut(&id) {
            Some(companion) if companion.wanted == Wanted::Yes => {
                companion.waiting.push(token);
                if companion.is_gone() {
                    companion.pacing.not_before = now;
                }
                self.end_companion(id, Duration::MAX);
            }
            Some(_) | None => self.reply(token, Answer::NoSuchCompanion),
        }
    }

    pub(super) fn enforce_companions(&mut self) {
        let now = self.now();
        if fault!(self, CompanionsAreNotKilled) {
            return;
        }
        for (id, companion) in &mut self.companions.all {
            let Life::Ending { since, kill_at } = companion.life else {
                continue;
            };
            if kill_at <= now {
                companion.life = Life::Killed { since };
                let (companion, after) = (*id, now.since(since));
                let what = CompanionReport::Overdue { after };
                let report = Report::Companion { companion, what };
                self.actions.push(Action::Report(report));
                self.actions.push(Action::KillCompanion { companion });
            }
        }
    }

    pub(super) fn companion_deadline(&self) -> Option<Moment> {
        let runs = self.starts_companions();
        let due = self.companions.all.values();
        due.filter_map(|companion| match companion.life {
            Life::Paused => Some(companion.pacing.not_before).filter(|_| runs),
            Life::Ending { kill_at, .. } => Some(kill_at),
            Life::Running { .. } | Life::Killed { .. } => None,
        })
        .min()
    }

    pub(super) fn has_companions(&self) -> bool {
        let mut all = self.companions.all.values();
        all.any(|companion| !companion.is_gone())
    }

    /// In the order in which their names came up.
    pub fn companions(&self) -> impl Iterator<Item = CompanionView<'_>> {
        let all = self.companions.all.iter();
        all.map(|(companion, it)| CompanionView {
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
