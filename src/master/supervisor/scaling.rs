//! How many workers there are to be, where that follows the load: a worker more while connections wait or all are busy, a worker
//! less after a time with little to do.
//!
//! - Never below the least nor above the most, never during a rollout or a stop, never beyond the memory.
//! - The workers of one growth serve before the next: what they bring is seen first.
//! - Growth starts the time of idleness anew, so that the direction changes once within it at the most.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::load::{Load, Pressure, ScaleDecision, ScaleReason, Window};
use super::mutation::fault;
use super::plan::Bounds;
use super::reload_state::Reload;
use super::worker::WorkerLife;
use super::{Action, AvailableMemory, MasterPhase, Moment, Plan, Report, Supervisor};

/// Between two looks at the load.
const LOOK: Duration = Duration::from_millis(250);
/// Pressure that passes sooner is no reason.
const SUSTAINED: Duration = Duration::from_secs(1);
/// From a change of the workers to the next.
const APART: Duration = Duration::from_secs(1);
/// After a growth that the memory did not allow.
const RETRY: Duration = Duration::from_secs(5);

/// Where the number of workers moves, and how it was changed last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ScalingView {
    pub bounds: Bounds,
    /// And how long ago.
    pub last: Option<(ScaleDecision, Duration)>,
}

#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Scaling {
    /// The plan's, moved by operators; `None`: the number is fixed.
    pub(super) bounds: Option<Bounds>,
    look_at: Moment,
    window: Window,
    pressed_since: Option<Moment>,
    idle_since: Option<Moment>,
    /// The next change is not before.
    not_before: Moment,
    /// A growth that waits for a look at the memory.
    asked: Option<ScaleDecision>,
    /// That there is no memory for another worker was reported.
    cramped: bool,
    last: Option<(ScaleDecision, Moment)>,
}

impl Scaling {
    pub(super) fn new(plan: &Plan) -> Self {
        Self {
            bounds: plan.bounds(),
            ..Self::default()
        }
    }

    /// Nothing may be decided now, and what was seen until now does not count afterwards.
    pub(super) fn rest(&mut self) {
        self.window.clear();
        (self.pressed_since, self.idle_since, self.asked) = (None, None, None);
    }

    fn note(&mut self, now: Moment, load: Load, target: Duration) {
        self.window.add(load);
        if self.window.is_full() {
            let since = now - self.window.span();
            match self.window.pressure(target) {
                Some(_) => _ = self.pressed_since.get_or_insert(since),
                None => (self.pressed_since, self.cramped) = (None, false),
            }
        }
        if self.window.is_idle() && self.pressed_since.is_none() {
            self.idle_since.get_or_insert(now);
        } else {
            self.idle_since = None;
        }
    }

    fn decision(&self, why: ScaleReason, from: u32, to: u32) -> ScaleDecision {
        let last = self.window.last();
        ScaleDecision {
            why,
            from,
            to,
            busy: self.window.busy(),
            wait: self.window.wait(),
            waiting: last.map_or(0, |look| look.waiting),
            in_flight: last.map_or(0, |look| look.in_flight),
            memory: None,
        }
    }
}

impl Supervisor {
    /// Scaling is on, and nothing else changes the workers.
    fn may_scale(&self) -> bool {
        let quiet = matches!(self.reload, Reload::Idle) && self.queued.is_none();
        self.scaling.bounds.is_some()
            && self.phase == MasterPhase::Running
            && self.target > 0
            && (quiet || fault!(self, ScaleDuringRollout))
    }

    pub(super) fn scaling_deadline(&self) -> Option<Moment> {
        let is_on = self.scaling.bounds.is_some() && self.phase == MasterPhase::Running;
        is_on.then_some(self.scaling.look_at.max(self.now()))
    }

    pub(super) fn look_at_load(&mut self) {
        let now = self.now();
        if self.scaling_deadline().is_some_and(|at| at <= now) {
            self.scaling.look_at = now + LOOK;
            self.act(Action::SampleLoad);
        }
    }

    pub(super) fn take_load(&mut self, load: Load) {
        let now = self.now();
        let (true, Some(bounds), Some(rules)) =
            (self.may_scale(), self.scaling.bounds, self.plan.scaling)
        else {
            self.scaling.rest();
            return;
        };
        let serving = self
            .workers
            .values()
            .filter(|w| w.life == WorkerLife::Serving);
        if serving.count() < self.target as usize {
            self.scaling.window.forget_looks();
            self.scaling.idle_since = None;
            return;
        }
        self.scaling.note(now, load, rules.wait);
        if now < self.scaling.not_before || self.scaling.asked.is_some() {
            return;
        }
        let past = |since: Option<Moment>, span: Duration| {
            since.is_some_and(|since| now.since(since) >= span)
        };
        let idle = if fault!(self, ScaleFlaps) {
            Duration::ZERO
        } else {
            rules.idle
        };
        if past(self.scaling.pressed_since, SUSTAINED) && self.scaling.window.is_full() {
            self.ask_growth(bounds, rules.wait);
        } else if past(self.scaling.idle_since, idle) {
            self.shrink(bounds);
        }
    }

    fn ask_growth(&mut self, bounds: Bounds, wait: Duration) {
        let (why, by) = match self.scaling.window.pressure(wait) {
            Some(Pressure::Waits { urgent: true }) => (ScaleReason::AcceptWait, 2),
            Some(Pressure::Waits { urgent: false }) => (ScaleReason::AcceptWait, 1),
            Some(Pressure::AllBusy) => (ScaleReason::AllBusy, 1),
            None => return,
        };
        let from = self.target;
        let most = if fault!(self, ScaleAboveMost) {
            bounds.most + 1
        } else {
            bounds.most
        };
        let to = from.saturating_add(by).min(most);
        if to > from {
            self.scaling.asked = Some(self.scaling.decision(why, from, to));
            self.act(Action::MeasureScaleRoom);
        }
    }

    /// The answer to `MeasureScaleRoom`.
    pub(super) fn take_scale_room(&mut self, memory: Option<AvailableMemory>) {
        let Some(asked) = self.scaling.asked.take() else {
            return;
        };
        let now = self.now();
        // An operator, or a reload, was faster.
        if !self.may_scale() || self.target != asked.from {
            return;
        }
        let room = memory.filter(|_| !fault!(self, ScaleBeyondMemory));
        let room = room.map_or(u32::MAX, AvailableMemory::room);
        let to = asked.to.min(asked.from.saturating_add(room));
        if let Some(memory) = memory.filter(|_| to == asked.from) {
            self.scaling.not_before = now + RETRY;
            if !std::mem::replace(&mut self.scaling.cramped, true) {
                let workers = asked.from;
                self.report(Report::NoRoomToScale { workers, memory });
            }
            return;
        }
        self.change(ScaleDecision {
            to,
            memory: memory.map(|memory| (memory.free, memory.worker)),
            ..asked
        });
        self.scaling.window.clear();
        self.scaling.idle_since = None;
    }

    fn shrink(&mut self, bounds: Bounds) {
        let from = self.target;
        let least = if fault!(self, ScaleBelowLeast) {
            0
        } else {
            bounds.least
        };
        if from > least {
            self.change(self.scaling.decision(ScaleReason::Idle, from, from - 1));
            self.scaling.not_before = self.now() + APART;
        }
    }

    fn change(&mut self, decision: ScaleDecision) {
        self.target = decision.to;
        self.scaling.cramped = false;
        self.scaling.last = Some((decision, self.now()));
        self.report(Report::ScaledByLoad(decision));
    }

    /// What the load or an operator has made of the numbers outlives a reload, unless those that are configured have changed.
    /// WINCH does not: a reload is how workers come back after it.
    pub(super) fn carried_over(&self, plan: &Plan) -> (u32, Option<Bounds>) {
        let (wanted, bounds) = (plan.wanted(), plan.bounds());
        let same = (wanted, bounds) == (self.plan.wanted(), self.plan.bounds());
        match bounds {
            _ if self.target == 0 => (wanted, bounds),
            _ if same => (self.target, self.scaling.bounds),
            Some(bounds) => (bounds.clamp(self.target), Some(bounds)),
            None => (wanted, None),
        }
    }

    /// Whether the plan of the serving generation has these numbers; `most` is that of a range.
    #[must_use]
    pub fn plans_for(&self, workers: u32, most: u32) -> bool {
        let scaling = self.plan.scaling;
        self.plan.workers == workers && scaling.is_none_or(|rules| rules.most == most)
    }

    /// Numbers that an operator has set stay, until a reload has others.
    pub(super) fn take_cpus(&mut self, cpus: u32, workers: u32, most: u32) {
        let quiet = matches!(self.reload, Reload::Idle) && self.queued.is_none();
        if !quiet || !matches!(self.phase, MasterPhase::Running) || self.plans_for(workers, most) {
            return;
        }
        let before = (self.plan.wanted(), self.plan.bounds());
        self.plan.workers = workers;
        if let Some(rules) = &mut self.plan.scaling {
            rules.most = most;
        }
        let bounds = self.plan.bounds();
        let is_of_the_plan = match before.1 {
            Some(_) => self.scaling.bounds == before.1,
            None => self.scaling.bounds.is_none() && self.target == before.0,
        };
        // After WINCH there are none.
        if self.target == 0 || !is_of_the_plan && !fault!(self, CpusOverOperator) {
            return;
        }
        let from = self.target;
        let to = match bounds {
            Some(bounds) => bounds.clamp(from),
            None => self.plan.wanted(),
        };
        self.scaling.bounds = bounds;
        self.scaling.rest();
        self.target = to;
        self.report(Report::ScaledByCpus {
            cpus,
            from,
            to,
            bounds,
        });
    }

    #[must_use]
    pub fn scaling(&self) -> Option<ScalingView> {
        let last = self.scaling.last;
        Some(ScalingView {
            bounds: self.scaling.bounds?,
            last: last.map(|(decision, at)| (decision, self.now().since(at))),
        })
    }
}
