//! The processes beside the workers: when one that has ended is restarted, and when one hangs.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::effects::Effects;
use super::mutation::fault;
use super::pacing::Pacing;
use super::{Action, Helper, HelperEnd, Moment, Report, Retry};

/// A helper without a heartbeat for that long hangs.
const SILENT: Duration = Duration::from_secs(10);

/// The configured ones.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Helpers(BTreeMap<Helper, Beside>);

#[derive(Debug, Default, Serialize, Deserialize)]
struct Beside {
    pacing: Pacing,
    /// `None`: to be started when its pause is over.
    since: Option<Moment>,
    #[serde(default)]
    pulse: HelperPulse,
}

/// What its heartbeats have shown of the running process.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
enum HelperPulse {
    /// It may be starting, or be of a kind that has no heartbeats: it is not judged.
    #[default]
    NotYet,
    Last(Moment),
    /// It hung.
    Killed,
}

impl Helpers {
    pub(super) fn new(configured: &[Helper]) -> Self {
        let configured = configured.iter();
        Self(
            configured
                .map(|helper| (*helper, Beside::default()))
                .collect(),
        )
    }

    pub(super) fn take_end(&mut self, helper: Helper, end: HelperEnd, effects: &mut Effects) {
        let now = effects.now();
        let beside = self.0.entry(helper).or_default();
        let since = beside.since.take();
        let retry = match end {
            HelperEnd::Renewed => beside.pacing.ended(now, Duration::ZERO),
            HelperEnd::Killed => beside.pacing.killed(now, since),
            HelperEnd::Failed => beside.pacing.failed(now, since),
        };
        if fault!(effects, HelpersAreNotPaced) {
            beside.pacing.not_before = now;
        }
        if retry != Retry::AtOnce {
            effects.report(Report::HelperPaced { helper, retry });
        }
    }

    /// `age` includes time in which we did not run, but not between the last heartbeat and our own now.
    pub(super) fn take_beat(&mut self, helper: Helper, age: Duration, effects: &mut Effects) {
        let now = effects.now();
        let Some(beside) = self.0.get_mut(&helper) else {
            return;
        };
        if beside.since.is_none() {
            return;
        }
        let beat = now - age;
        let last = match beside.pulse {
            HelperPulse::Killed => return,
            HelperPulse::NotYet if fault!(effects, HelperOfBeforeIsJudged) => beat,
            // How long ago says nothing yet: it may be the process before this one that was sampled, or its first heartbeat from
            // before a time in which we did not run.
            HelperPulse::NotYet => now,
            HelperPulse::Last(last) => last.max(beat),
        };
        let age = now.since(last);
        beside.pulse = HelperPulse::Last(last);
        if age > SILENT && !fault!(effects, HungHelperIsLeft) {
            beside.pulse = HelperPulse::Killed;
            effects.report(Report::HelperHung { helper, age });
            effects.act(Action::KillHelper { helper });
        }
    }

    pub(super) fn runs(&self) -> bool {
        self.0.values().any(|beside| beside.since.is_some())
    }

    /// Starts the helpers that are due.
    pub(super) fn start_due(&mut self, effects: &mut Effects) {
        let now = effects.now();
        let due = self.0.iter_mut();
        let due =
            due.filter(|(_, beside)| beside.since.is_none() && beside.pacing.not_before <= now);
        for (helper, beside) in due {
            (beside.since, beside.pulse) = (Some(now), HelperPulse::NotYet);
            effects.act(Action::StartHelper { helper: *helper });
        }
    }

    /// When the next one is to be started.
    pub(super) fn deadline(&self) -> Option<Moment> {
        let due = self.0.values().filter(|beside| beside.since.is_none());
        due.map(|beside| beside.pacing.not_before).min()
    }
}
