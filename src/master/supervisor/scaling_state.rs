//! What is known for scaling: the looks at the load, since when there is pressure or idleness, and the last change. The decisions
//! are in `scaling.rs`.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::load::{Load, ScaleDecision, ScaleReason, Window};
use super::plan::Bounds;
use super::{Moment, Plan};

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
    pub(super) look_at: Moment,
    pub(super) window: Window,
    pub(super) pressed_since: Option<Moment>,
    pub(super) idle_since: Option<Moment>,
    /// The next change is not before.
    pub(super) not_before: Moment,
    /// A growth that waits for a look at the memory.
    pub(super) asked: Option<ScaleDecision>,
    /// That there is no memory for another worker was reported.
    pub(super) cramped: bool,
    pub(super) last: Option<(ScaleDecision, Moment)>,
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

    pub(super) fn note(&mut self, now: Moment, load: Load, target: Duration) {
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

    pub(super) fn decision(&self, why: ScaleReason, from: u32, to: u32) -> ScaleDecision {
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

    /// `now`: to tell how long ago the last change was.
    pub(super) fn view(&self, now: Moment) -> Option<ScalingView> {
        Some(ScalingView {
            bounds: self.bounds?,
            last: self.last.map(|(decision, at)| (decision, now.since(at))),
        })
    }
}
