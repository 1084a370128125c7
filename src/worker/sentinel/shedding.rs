//! `--shed-wait`: requests that have waited too long while all workers are busy are answered here, without the app.

use std::time::Duration;

use super::{Accepting, Watching};
use crate::http::Refusal;
use crate::ipc::ScoreboardState;
use crate::sys;
use crate::worker::network::{TakenBeside, millis};

/// Interval of the checks while the app is blocked, or all threads are busy.
const CHECK_MS: u64 = 10;
/// An episode has ended when no request was shed for this long.
const QUIET_MS: u64 = 1_000;
/// All workers must have been busy at each check of so long before one accepts what waits: between two connections none has
/// room for a moment, and what a blocked worker has read with TLS no other one can serve.
const SETTLED_MS: u64 = 100;
/// Accepted in one check, of each listener.
const AT_ONCE: usize = 64;
/// Of Retry-After, in seconds.
const LONGEST_RETRY: u64 = 3_600;

/// A time in which requests are shed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Episode {
    began: u64,
    last: u64,
    requests: u64,
}

/// What is remembered from one check to the next. Times are monotonic milliseconds.
#[derive(Debug, Default)]
pub struct Shedder {
    due: u64,
    /// The app's progress, and since when it is the same.
    progress: (u64, u64),
    /// Since when all workers were busy at each check.
    busy_since: Option<u64>,
    episode: Option<Episode>,
}

/// The end of an episode.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct EpisodeEnd {
    requests: u64,
    ms: u64,
}

impl Shedder {
    /// For how long the app has made no progress.
    fn standstill(&mut self, now: u64, progress: u64) -> u64 {
        if self.progress.0 != progress {
            self.progress = (progress, now);
        }
        now.saturating_sub(self.progress.1)
    }

    /// For how long all workers have been busy; `None`: one has room.
    fn busy_for(&mut self, now: u64, all_are_busy: bool) -> Option<u64> {
        self.busy_since = all_are_busy.then(|| self.busy_since.unwrap_or(now));
        self.busy_since.map(|since| now - since)
    }

    /// So many were shed. True: an episode begins.
    fn shed(&mut self, now: u64, requests: u64) -> bool {
        let begins = self.episode.is_none();
        let episode = self.episode.get_or_insert(Episode {
            began: now,
            last: now,
            requests: 0,
        });
        episode.last = now;
        episode.requests += requests;
        begins
    }

    fn end(&mut self, now: u64) -> Option<EpisodeEnd> {
        let over = self
            .episode
            .filter(|episode| now >= episode.last + QUIET_MS)?;
        self.episode = None;
        Some(EpisodeEnd {
            requests: over.requests,
            ms: over.last - over.began,
        })
    }
}

impl Watching {
    /// When the next check is due; `None`: nothing waits, or it may wait for ever.
    pub(super) fn shed_due(&self) -> Option<u64> {
        self.own.net.settings.shed_wait?;
        let may_wait = match self.accepting {
            Accepting::Stuck | Accepting::Full | Accepting::Handing => true,
            Accepting::No | Accepting::Armed | Accepting::BackOff(_) => false,
        };
        (may_wait || self.shedder.episode.is_some()).then_some(self.shedder.due)
    }

    pub(super) fn look_at_long_waits(&mut self) {
        let Some(limit) = self.own.net.settings.shed_wait else {
            return;
        };
        let now = sys::monotonic_ms();
        if self.shed_due().is_none_or(|due| now < due) {
            return;
        }
        self.shedder.due = now + CHECK_MS;
        let progress = self.progress();
        let standstill = Duration::from_millis(self.shedder.standstill(now, progress));
        let all_are_busy = self.all_are_busy();
        if let Some(busy) = self.shedder.busy_for(now, all_are_busy) {
            if busy >= SETTLED_MS {
                self.accept_what_waits(now, progress);
            }
            self.shed(now, limit, limit.max(standstill));
        }
        if let Some(EpisodeEnd { requests, ms }) = self.shedder.end(now) {
            tracing::info!(
                requests,
                after_ms = ms,
                "requests no longer wait longer than --shed-wait"
            );
        }
    }

    /// No worker takes a connection, and there are as many as there may be.
    fn all_are_busy(&self) -> bool {
        let own = &self.own;
        let is_serving = own.net.page.state() == Some(ScoreboardState::Accepting);
        if !is_serving || self.accepting == Accepting::Armed {
            return false;
        }
        own.transfers.as_ref().is_none_or(|transfers| {
            let most = own
                .net
                .settings
                .scaling
                .as_ref()
                .map(|scaling| scaling.most);
            let most = most.and_then(|most| usize::try_from(most).ok());
            let are_all = most.is_none_or(|most| transfers.accepting_workers() >= most);
            are_all && !transfers.anyone_has_room()
        })
    }

    /// What waits in the kernel cannot be answered, and how long it has waited is not seen there. It waits here instead, and is
    /// passed on when another worker has room.
    fn accept_what_waits(&mut self, now: u64, progress: u64) {
        if !matches!(self.accepting, Accepting::Stuck | Accepting::Full) {
            return;
        }
        self.accept_waiting(AT_ONCE);
        self.own.net.app().attend(TakenBeside::Accepted);
        // The app's next turn finds what was queued meanwhile.
        self.own.net.wake.wake();
        self.pickup.given(now, progress);
    }

    /// `standstill`: for how long the app has made no progress, at least the limit.
    fn shed(&mut self, now: u64, limit: Duration, standstill: Duration) {
        let seconds = millis(standstill).div_ceil(1_000).min(LONGEST_RETRY);
        let retry_after = u16::try_from(seconds).unwrap_or(u16::MAX);
        let net = &self.own.net;
        let (mut requests, mut longest) = (0, Duration::ZERO);
        self.own.requests.pass_on(&mut |request| {
            let age = request.exchange.age();
            let Some(age) = age.filter(|age| *age >= limit) else {
                return false;
            };
            longest = longest.max(age);
            requests += 1;
            net.page.request_shed();
            request.exchange.refuse(Refusal::Queued { retry_after });
            true
        });
        if requests == 0 {
            return;
        }
        net.ledger.flush();
        let in_flight = net.ledger.in_flight();
        if self.shedder.shed(now, requests) {
            tracing::warn!(
                waited_ms = millis(longest),
                limit_ms = millis(limit),
                retry_after,
                in_flight,
                "all workers are busy, requests that wait longer than --shed-wait get 503"
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_episode_ends_a_while_after_the_last_request_with_its_numbers() {
        let mut shedder = Shedder::default();
        assert_eq!(shedder.end(50), None);
        assert!(shedder.shed(100, 3));
        assert!(!shedder.shed(700, 4));
        assert_eq!(shedder.end(1_600), None);
        let end = EpisodeEnd {
            requests: 7,
            ms: 600,
        };
        assert_eq!(shedder.end(1_700), Some(end));
        assert_eq!(shedder.end(1_800), None);
        assert!(shedder.shed(2_000, 1));
    }

    #[test]
    fn workers_are_busy_from_the_first_check_that_finds_no_room() {
        let mut shedder = Shedder::default();
        assert_eq!(shedder.busy_for(100, true), Some(0));
        assert_eq!(shedder.busy_for(190, true), Some(90));
        assert_eq!(shedder.busy_for(200, false), None);
        assert_eq!(shedder.busy_for(210, true), Some(0));
    }

    #[test]
    fn a_standstill_lasts_until_there_is_progress() {
        let mut shedder = Shedder::default();
        assert_eq!(shedder.standstill(100, 7), 0);
        assert_eq!(shedder.standstill(400, 7), 300);
        assert_eq!(shedder.standstill(500, 8), 0);
    }
}
