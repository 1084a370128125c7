//! Judges every step of the supervisor: records the facts, and checks the laws. It sees events and actions, and as
//! little as possible of the supervisor's state.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::companions::CompanionNotes;
use super::facts::{Facts, Failures};
use super::helpers::HelperNotes;
use super::law_molds::MoldNotes;
use super::law_refork::ReforkNotes;
use super::law_scaling::ScalingNotes;
use crate::master::supervisor::reload_state::Goal;
use crate::master::supervisor::*;

/// A law that was broken, as text.
pub type Broken = String;

/// Tolerance for the simulation's own granularity.
const GRAIN: Duration = Duration::from_millis(50);

pub struct Oracle {
    /// How long the master was stopped so far.
    lost: Duration,
    /// The supervisor does not know to the second when it was stopped.
    pub slack: Duration,
    pub now: Moment,
    pub workers: BTreeMap<Incarnation, Facts>,
    pub spawned: u64,
    pub plans: BTreeMap<Generation, Plan>,
    pub failures: BTreeMap<(Slot, Generation), Failures>,
    pub up: bool,
    pub stop: Option<Stop>,
    /// The exit code of a first boot that failed, and when it failed.
    pub failed_boot: Option<(u8, Moment)>,
    pub listeners_closed: bool,
    pub reload: Option<Generation>,
    /// Of the generation that is staged: the slots that had a ready worker then.
    pub staged: Option<BTreeSet<Slot>>,
    /// The rollout is for a stage, or was.
    pub stages: bool,
    /// An operator, or the comparison, has decided that it shall serve.
    pub promoted: bool,
    /// Two generations serve: a canary.
    pub mixed: bool,
    /// When the canary must have ended.
    pub canary_until: Option<Moment>,
    /// It was judged worse.
    pub worse: bool,
    pub drained_in_reload: bool,
    pub died_in_reload: bool,
    /// Slots that were wanted all the time since the reload began.
    pub fewest_in_reload: u32,
    /// The old workers of a batch were ordered to drain, the new ones wait for them.
    pub switching: bool,
    /// The new generation, and the end of its slots.
    pub coming: Option<(Generation, u32)>,
    pub surged: bool,
    pub wants_reload: bool,
    pub sources: SourceWatching,
    /// A boot has failed there before all was up, and the files have not changed since.
    pub awaiting: BTreeSet<Slot>,
    pub unanswered: BTreeSet<Token>,
    pub state: Option<ServiceState>,
    pub exited: bool,
    pub same_moment: (Moment, u32),
    /// The command that runs before the first boot, and when it must have been killed.
    pub preparing: Option<(u32, Option<Moment>)>,
    pub prepared: u32,
    /// Further workers of a rollout that fit into the memory, as last measured; `None`: any number.
    pub room: Option<u64>,
    /// Generations that did not become ready.
    pub rolled_back: BTreeSet<Generation>,
    /// Slots in which a worker of that generation got a `Go`.
    pub switched: BTreeSet<(Slot, Generation)>,
    pub helpers: HelperNotes,
    /// As it was said last.
    pub leader: Option<Incarnation>,
    pub companions: CompanionNotes,
    pub molds: MoldNotes,
    pub reforks: ReforkNotes,
    pub scaling: ScalingNotes,
    /// When the helpers were ordered to end, and whether they have (or are not waited for).
    pub closing: Option<Moment>,
    /// How long they may take.
    pub closing_limit: Duration,
    /// When `--graceful-timeout` is over, in a stop.
    pub stop_by: Option<Moment>,
    pub helpers_ended: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stop {
    pub mode: StopMode,
    /// When all must have been ordered.
    pub by: Moment,
}

macro_rules! law {
    ($holds:expr, $($broken:tt)+) => {
        if !$holds {
            return Err(format!($($broken)+));
        }
    };
}
pub(super) use law;

impl Oracle {
    pub fn new(plan: Plan) -> Self {
        Self {
            lost: Duration::ZERO,
            slack: GRAIN,
            now: Moment::default(),
            workers: BTreeMap::new(),
            spawned: 0,
            surged: plan.surge.is_some(),
            sources: plan.sources,
            awaiting: BTreeSet::new(),
            plans: BTreeMap::from([(Generation(1), plan)]),
            failures: BTreeMap::new(),
            up: false,
            switching: false,
            coming: None,
            stop: None,
            failed_boot: None,
            listeners_closed: false,
            reload: None,
            staged: None,
            stages: false,
            promoted: false,
            mixed: false,
            canary_until: None,
            worse: false,
            drained_in_reload: false,
            died_in_reload: false,
            fewest_in_reload: 0,
            wants_reload: false,
            unanswered: BTreeSet::new(),
            state: None,
            exited: false,
            same_moment: (Moment::default(), 0),
            preparing: None,
            prepared: 0,
            room: None,
            rolled_back: BTreeSet::new(),
            switched: BTreeSet::new(),
            helpers: HelperNotes::default(),
            leader: None,
            companions: CompanionNotes::default(),
            molds: MoldNotes::default(),
            reforks: ReforkNotes::default(),
            scaling: ScalingNotes::default(),
            closing: None,
            closing_limit: Duration::ZERO,
            stop_by: None,
            helpers_ended: false,
        }
    }

    pub fn stood_still(&mut self, span: Duration) {
        self.lost += span;
        self.slack += Duration::from_millis(2100);
    }

    pub(super) fn in_own_time(&self, at: Moment) -> Moment {
        at - self.lost
    }

    pub fn hangs(&mut self, incarnation: Incarnation, at: Moment) {
        let at = at - self.lost;
        if let Some(facts) = self.workers.get_mut(&incarnation) {
            facts.hung = Some(at);
        }
    }

    pub fn lags(&mut self, incarnation: Incarnation, at: Moment) {
        let at = at - self.lost;
        if let Some(facts) = self.workers.get_mut(&incarnation) {
            facts.lags = Some(at);
        }
    }

    /// Workers that die are replaced.
    pub fn keeps_up(&self) -> bool {
        self.stop.is_none() && self.failed_boot.is_none()
    }

    pub fn judge(
        &mut self,
        now: Moment,
        event: Option<&Event>,
        actions: &[Action],
        supervisor: &Supervisor,
    ) -> Result<(), Broken> {
        law!(!self.exited, "it was asked again after its exit");
        self.now = now - self.lost;
        self.same_moment = match self.same_moment {
            (at, n) if at == now => (at, n + 1),
            _ => (now, 0),
        };
        law!(self.same_moment.1 < 300, "it spins");
        let is_wish = matches!(
            event,
            Some(
                Event::Signal(Signal::Hup)
                    | Event::Changed
                    | Event::Control {
                        command: Command::Reload,
                        ..
                    }
            )
        );
        let wanted_before = is_wish.then_some(self.wants_reload);
        if let Some(event) = event {
            self.note_event(event, supervisor);
        }
        if matches!(supervisor.server.reload.goal(), Some(Goal::Canary(_))) {
            self.staged = None;
            self.mixed = true;
        }
        let before = self.capacity();
        let refused = |action: &Action| {
            matches!(
                action,
                Action::Report(Report::ReloadRefused { .. })
                    | Action::Reply {
                        answer: Answer::Refused(_),
                        ..
                    }
            )
        };
        let hup = event == Some(&Event::Signal(Signal::Hup)) && self.keeps_up();
        law!(
            !hup || self.staged.is_none() || actions.iter().any(refused),
            "a reload beside a stage"
        );
        if let Some(wanted) = wanted_before.filter(|_| actions.iter().any(refused)) {
            self.wants_reload = wanted;
        }
        for action in actions {
            law!(!self.exited, "{action:?} after its exit");
            self.judge_action(action, supervisor)?;
        }
        let taken_back =
            |action: &Action| matches!(action, Action::Report(Report::TakingBack { .. }));
        let rolls_back = matches!(
            event,
            Some(Event::Control {
                command: Command::Rollback,
                ..
            })
        );
        if rolls_back && actions.iter().any(taken_back) {
            // A queued reload is given up.
            self.wants_reload = false;
        }
        law!(
            !std::mem::take(&mut self.worse) || actions.iter().any(taken_back),
            "a canary that is worse goes on"
        );
        self.judge_state(now, supervisor, before, actions)
    }

    fn judge_action(&mut self, action: &Action, supervisor: &Supervisor) -> Result<(), Broken> {
        match action {
            Action::Spawn {
                incarnation,
                slot,
                generation,
            } => {
                let who = Who {
                    incarnation: *incarnation,
                    slot: *slot,
                    generation: *generation,
                };
                // Until then the slot belongs to the canary: its pause was forgotten.
                if matches!(supervisor.server.reload.goal(), Some(Goal::Return { .. })) {
                    let failures = self.failures.entry((*slot, *generation)).or_default();
                    failures.unsure = true;
                }
                self.judge_spawn(who, supervisor)?;
                self.judge_fork(who)
            }
            Action::Prepare { .. } | Action::SignalPreparation { .. } | Action::KillPreparation => {
                self.judge_preparation(action, supervisor)
            }
            Action::Send {
                incarnation,
                order: Order::Go,
            } => self.judge_go(*incarnation, supervisor),
            Action::Send {
                incarnation,
                order: Order::Drain { reason, graceful },
            } => {
                let shutdown = *reason == DrainCause::Shutdown;
                law!(shutdown != self.keeps_up(), "{action:?} at the wrong time");
                let (now, facts) = self.living(*incarnation, action)?;
                law!(facts.went, "{action:?}, which does not serve");
                facts.tell(now, *graceful + Duration::from_secs(3));
                self.drained_in_reload = true;
                Ok(())
            }
            Action::Send {
                incarnation,
                order: Order::BecomeMold { graceful },
            } => {
                self.judge_mold_order(*incarnation, supervisor, action)?;
                let (now, facts) = self.living(*incarnation, action)?;
                facts.tell(now, *graceful + Duration::from_secs(3));
                Ok(())
            }
            Action::Send {
                incarnation,
                order: Order::StopFast,
            } => {
                let (now, facts) = self.living(*incarnation, action)?;
                facts.sent_away = true;
                let who = facts.who;
                let overdue = facts
                    .bound
                    .is_some_and(|at| at <= now + Duration::from_secs(3));
                facts.tell(now, Duration::from_secs(3));
                if !overdue {
                    self.note_refork_given_up(who);
                }
                Ok(())
            }
            Action::Send {
                incarnation,
                order: Order::Pause,
            } => {
                law!(self.keeps_up(), "{action:?} while stopping");
                let (now, facts) = self.living(*incarnation, action)?;
                let serves = facts.is_ready() && facts.went && facts.paused.is_none();
                law!(serves, "{action:?}, which does not serve");
                facts.paused = Some(now);
                self.drained_in_reload = true;
                Ok(())
            }
            Action::Terminate { incarnation } => {
                let (now, facts) = self.living(*incarnation, action)?;
                law!(facts.boots(), "{action:?}, which does not boot");
                facts.sent_away = true;
                facts.tell(now, Duration::from_secs(3));
                Ok(())
            }
            Action::Kill { incarnation, why } => self.judge_kill(*incarnation, *why, action),
            Action::Abort { incarnation } => {
                let (now, facts) = self.living(*incarnation, action)?;
                law!(
                    facts.hung.is_some() && facts.told.is_some(),
                    "{action:?}, which is well"
                );
                facts.bound = Some(now + Duration::from_secs(1));
                Ok(())
            }
            Action::StartMold { generation } => self.judge_mold_start(*generation),
            Action::KillMold { generation } => self.judge_mold_kill(*generation),
            Action::AdoptMold {
                incarnation,
                generation,
            } => self.judge_adoption(*incarnation, *generation),
            Action::EndMoldBefore { generation } | Action::ReturnToMoldBefore { generation } => {
                self.judge_mold_before(*generation, action)
            }
            Action::StartHelper { helper } => self.judge_helper_start(*helper),
            Action::KillHelper { helper } => self.judge_helper_kill(*helper),
            Action::Lead { leader } => {
                law!(self.leader != *leader, "{action:?} a second time");
                self.leader = *leader;
                Ok(())
            }
            Action::StartCompanion { .. }
            | Action::EndCompanion { .. }
            | Action::KillCompanion { .. } => self.judge_companion(action, supervisor),
            Action::EndHelpers => {
                self.judge_companions_end()?;
                law!(self.workers.is_empty(), "{action:?} while workers live");
                law!(!self.keeps_up(), "{action:?} that nobody asked for");
                let left = self.stop_by.map_or(Duration::ZERO, |by| by.since(self.now));
                let (least, most) = (Duration::from_millis(500), Duration::from_secs(5));
                (self.closing, self.closing_limit) = (Some(self.now), left.clamp(least, most));
                Ok(())
            }
            Action::DumpStacks { incarnation } => {
                let slack = self.slack;
                let (now, facts) = self.living(*incarnation, action)?;
                if facts.boots() && facts.forked {
                    let age = now.since(facts.spawned) + slack;
                    law!(
                        age >= facts.boot_timeout && facts.late.is_none(),
                        "{action:?} of a boot after {age:?}"
                    );
                    facts.late = Some(now);
                    return Ok(());
                }
                law!(
                    facts.is_ready() && (facts.hung.is_some() || facts.lags.is_some()),
                    "{action:?}, which is well"
                );
                if std::mem::take(&mut facts.lag_told) {
                    return Ok(());
                }
                law!(facts.hung.is_some(), "{action:?}, which is mostly well");
                facts.tell(now, Duration::from_secs(1));
                let (who, ready) = (facts.who, facts.ready);
                self.note_hung_end(who, ready);
                Ok(())
            }
            Action::ReadConfig { generation } => {
                law!(
                    self.reload.is_none() && self.keeps_up(),
                    "{action:?} at the wrong time"
                );
                law!(self.up, "{action:?} during the first boot");
                (self.reload, self.staged) = (Some(*generation), None);
                (
                    self.wants_reload,
                    self.drained_in_reload,
                    self.died_in_reload,
                ) = (false, false, false);
                self.fewest_in_reload = supervisor.target();
                Ok(())
            }
            Action::CloseListeners => {
                let by = self.now + supervisor.server.plan.graceful_timeout;
                self.stop_by.get_or_insert(by);
                law!(
                    !self.listeners_closed && !self.keeps_up(),
                    "{action:?} at the wrong time"
                );
                self.listeners_closed = true;
                Ok(())
            }
            Action::Forget { generation } => {
                let lives = self
                    .workers
                    .values()
                    .any(|w| w.who.generation == *generation);
                law!(!lives, "{action:?}, which lives");
                self.plans.remove(generation);
                self.molds.living.remove(generation);
                self.reforks.remove(generation);
                Ok(())
            }
            Action::Reply { token, .. } => {
                law!(
                    self.unanswered.remove(token),
                    "{action:?}, which was not asked"
                );
                Ok(())
            }
            Action::Notify(state) => {
                self.state = Some(*state);
                Ok(())
            }
            Action::Report(report) => self.judge_report(report, supervisor),
            Action::Exit { code } => self.judge_exit(*code),
            Action::CompareGenerations { .. }
            | Action::SampleHeartbeats
            | Action::SampleHelpers
            | Action::MeasureMemory
            | Action::SampleLoad
            | Action::MeasureScaleRoom
            | Action::ReopenLogs => Ok(()),
        }
    }

    pub(super) fn living(
        &mut self,
        incarnation: Incarnation,
        action: &Action,
    ) -> Result<(Moment, &mut Facts), Broken> {
        let now = self.now;
        match self.workers.get_mut(&incarnation) {
            Some(facts) => Ok((now, facts)),
            None => Err(format!("{action:?}, which does not live")),
        }
    }
}
