//! The processes beside the workers: when one that has ended is restarted, when one hangs, and the final wait for all of
//! them.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::mutation::fault;
use super::pacing::Pacing;
use super::{Action, Helper, HelperEnd, MasterPhase, Moment, Report, Retry, Supervisor};

/// Time limit for the last hook, and for the exit of every helper; less where less is left of `--graceful-timeout`.
const CLOSING: Duration = Duration::from_secs(5);
/// Where nothing is left of it: what a hook that does not wait for anything needs.
const SHORTEST_CLOSING: Duration = Duration::from_millis(500);
/// A helper without a heartbeat for that long hangs.
const SILENT: Duration = Duration::from_secs(10);

/// One configured helper.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Beside {
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

pub(super) type Helpers = BTreeMap<Helper, Beside>;

impl Supervisor {
    pub(super) fn take_helper_end(&mut self, helper: Helper, end: HelperEnd) {
        if !self.keeps_helpers() {
            return;
        }
        let now = self.now();
        let beside = self.helpers.entry(helper).or_default();
        let since = beside.since.take();
        let retry = match end {
            HelperEnd::Renewed => beside.pacing.ended(now, Duration::ZERO),
            HelperEnd::Killed => beside.pacing.killed(now, since),
            HelperEnd::Failed => beside.pacing.failed(now, since),
        };
        if fault!(self, HelpersAreNotPaced)
            && let Some(beside) = self.helpers.get_mut(&helper)
        {
            beside.pacing.not_before = now;
        }
        if retry != Retry::AtOnce {
            self.report(Report::HelperPaced { helper, retry });
        }
    }

    /// `age` includes time in which we did not run, but not between the last heartbeat and our own now.
    pub(super) fn take_helper_beat(&mut self, helper: Helper, age: Duration) {
        let now = self.now();
        let keeps = self.keeps_helpers();
        let Some(beside) = self.helpers.get_mut(&helper).filter(|_| keeps) else {
            return;
        };
        let (Some(since), beat) = (beside.since, now - age) else {
            return;
        };
        let last = match beside.pulse {
            HelperPulse::Killed => return,
            HelperPulse::NotYet if fault!(self, HelperOfBeforeIsJudged) => beat,
            // It may have been sampled of the process before this one.
            HelperPulse::NotYet => beat.max(since),
            HelperPulse::Last(last) => last.max(beat),
        };
        let age = now.since(last);
        beside.pulse = HelperPulse::Last(last);
        if age > SILENT && !fault!(self, HungHelperIsLeft) {
            beside.pulse = HelperPulse::Killed;
            self.report(Report::HelperHung { helper, age });
            self.act(Action::KillHelper { helper });
        }
    }

    pub(super) fn runs_helpers(&self) -> bool {
        self.keeps_helpers() && self.helpers.values().any(|beside| beside.since.is_some())
    }

    /// Starts the helpers that are due.
    pub(super) fn start_helpers(&mut self) {
        if !self.keeps_helpers() {
            return;
        }
        let now = self.now();
        let due = self.helpers.iter_mut();
        let due =
            due.filter(|(_, beside)| beside.since.is_none() && beside.pacing.not_before <= now);
        for (helper, beside) in due {
            (beside.since, beside.pulse) = (Some(now), HelperPulse::NotYet);
            self.actions.push(Action::StartHelper { helper: *helper });
        }
    }

    fn keeps_helpers(&self) -> bool {
        !matches!(self.phase, MasterPhase::Closing { .. } | MasterPhase::Gone)
    }

    pub(super) fn helper_deadline(&self) -> Option<Moment> {
        let due = self
            .helpers
            .values()
            .filter(|beside| beside.since.is_none());
        let due = due.map(|beside| beside.pacing.not_before);
        due.min().filter(|_| self.keeps_helpers())
    }

    /// No worker is left: the last hook is called, and the helpers end.
    pub(super) fn close(&mut self, code: u8, by: Moment) {
        let since = self.now();
        let mut left = by.since(since).clamp(SHORTEST_CLOSING, CLOSING);
        if fault!(self, ClosingOutlivesGrace) {
            left = CLOSING;
        }
        let until = since + left;
        self.phase = MasterPhase::Closing { since, until, code };
        self.act(Action::EndHelpers);
        if fault!(self, ExitBeforeHelpers) {
            self.exit(code);
        }
    }

    pub(super) fn take_helpers_end(&mut self) {
        if let MasterPhase::Closing { code, .. } = self.phase {
            self.exit(code);
        }
    }

    pub(super) fn enforce_closing(&mut self) {
        if let MasterPhase::Closing { since, until, code } = self.phase
            && until <= self.now()
            && !fault!(self, NoEndOfClosing)
        {
            let after = self.now().since(since);
            self.report(Report::HelpersLate { after });
            self.exit(code);
        }
    }

    pub(super) fn exit(&mut self, code: u8) {
        self.phase = MasterPhase::Gone;
        self.act(Action::Exit { code });
    }
}
