//! The processes beside the workers: when one that has ended is started again, and the last wait for all of them.

use std::collections::BTreeMap;
use std::time::Duration;

use super::mutation::fault;
use super::pacing::Pacing;
use super::{Action, Moment, Phase, Report, Retry, Supervisor};

/// How long the last hook may take, and the end of every helper.
const CLOSING: Duration = Duration::from_secs(5);

/// A process of the master's that is no worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Helper {
    /// Sees changes of files (`--reload`). First: workers tell it what they load.
    Watcher,
    /// Answers probes (`--admin-bind`).
    Monitor,
}

/// How a helper came to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HelperEnd {
    /// The shell has ended it so that another one takes its place.
    Renewed,
    /// By SIGKILL or SIGTERM that was not ours.
    Killed,
    /// By itself, or it could not be started.
    Failed,
}

/// One helper that is to run.
#[derive(Debug, Default)]
pub(super) struct Beside {
    pacing: Pacing,
    /// `None`: it is to be started when its pause is over.
    since: Option<Moment>,
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

    /// Those that are due.
    pub(super) fn start_helpers(&mut self) {
        if !self.keeps_helpers() {
            return;
        }
        let now = self.now();
        let due = self.helpers.iter_mut();
        let due =
            due.filter(|(_, beside)| beside.since.is_none() && beside.pacing.not_before <= now);
        for (helper, beside) in due {
            beside.since = Some(now);
            self.actions.push(Action::StartHelper { helper: *helper });
        }
    }

    fn keeps_helpers(&self) -> bool {
        !matches!(self.phase, Phase::Closing { .. } | Phase::Gone)
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
    pub(super) fn close(&mut self, code: u8) {
        let until = self.now() + CLOSING;
        self.phase = Phase::Closing { until, code };
        self.act(Action::EndHelpers);
        if fault!(self, ExitBeforeHelpers) {
            self.exit(code);
        }
    }

    pub(super) fn take_helpers_end(&mut self) {
        if let Phase::Closing { code, .. } = self.phase {
            self.exit(code);
        }
    }

    pub(super) fn enforce_closing(&mut self) {
        if let Phase::Closing { until, code } = self.phase
            && until <= self.now()
            && !fault!(self, NoEndOfClosing)
        {
            self.report(Report::HelpersLate { after: CLOSING });
            self.exit(code);
        }
    }

    pub(super) fn exit(&mut self, code: u8) {
        self.phase = Phase::Gone;
        self.act(Action::Exit { code });
    }
}
