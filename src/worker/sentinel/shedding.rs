//! `--shed-wait`: requests that have waited too long while all workers are busy are answered here, without the app.

use std::time::Duration;

use super::listeners;
use super::shedder::EpisodeEnd;
use super::watching::{Accepting, Watching};
use crate::http::Refusal;
use crate::ipc::ScoreboardState;
use crate::sys;
use crate::worker::network::{TakenBeside, millis};

/// Interval of the checks while the app is blocked, or all threads are busy.
const CHECK_MS: u64 = 10;
/// All workers must have been busy at each check of so long before one accepts what waits: between two connections none has
/// room for a moment, and what a blocked worker has read with TLS no other one can serve.
const SETTLED_MS: u64 = 100;
/// Accepted in one check, of each listener.
const AT_ONCE: usize = 64;
/// Of Retry-After, in seconds.
const LONGEST_RETRY: u64 = 3_600;

/// When the next check is due; `None`: nothing waits, or it may wait for ever.
pub(super) fn due(watching: &Watching) -> Option<u64> {
    watching.own.net.settings.shed_wait?;
    let may_wait = match watching.accepting {
        Accepting::Stuck | Accepting::Full | Accepting::Handing => true,
        Accepting::No | Accepting::Armed | Accepting::BackOff(_) => false,
    };
    (may_wait || watching.shedder.is_shedding()).then_some(watching.shedder.due)
}

/// Answers what has waited too long, if that is due.
pub(super) fn look(watching: &mut Watching) {
    let Some(limit) = watching.own.net.settings.shed_wait else {
        return;
    };
    let now = sys::monotonic_ms();
    if due(watching).is_none_or(|due| now < due) {
        return;
    }
    watching.shedder.due = now + CHECK_MS;
    let progress = watching.progress();
    let standstill = Duration::from_millis(watching.shedder.standstill(now, progress));
    let all_are_busy = all_are_busy(watching);
    if let Some(busy) = watching.shedder.busy_for(now, all_are_busy) {
        if busy >= SETTLED_MS {
            accept_what_waits(watching, now, progress);
        }
        shed(watching, now, limit, limit.max(standstill));
    }
    if let Some(EpisodeEnd { requests, ms }) = watching.shedder.end(now) {
        tracing::info!(
            requests,
            after_ms = ms,
            "requests no longer wait longer than --shed-wait"
        );
    }
}

/// No worker takes a connection, and there are as many as there may be.
fn all_are_busy(watching: &Watching) -> bool {
    let own = &watching.own;
    let is_serving = own.net.page.state() == Some(ScoreboardState::Accepting);
    if !is_serving || watching.accepting == Accepting::Armed {
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
fn accept_what_waits(watching: &mut Watching, now: u64, progress: u64) {
    if !matches!(watching.accepting, Accepting::Stuck | Accepting::Full) {
        return;
    }
    listeners::accept_waiting(watching, AT_ONCE);
    watching.own.net.app().attend(TakenBeside::Accepted);
    // The app's next turn finds what was queued meanwhile.
    watching.own.net.wake.wake();
    watching.pickup.given(now, progress);
}

/// `standstill`: for how long the app has made no progress, at least the limit.
fn shed(watching: &mut Watching, now: u64, limit: Duration, standstill: Duration) {
    let seconds = millis(standstill).div_ceil(1_000).min(LONGEST_RETRY);
    let retry_after = u16::try_from(seconds).unwrap_or(u16::MAX);
    let net = &watching.own.net;
    let (mut requests, mut longest) = (0, Duration::ZERO);
    watching.own.requests.pass_on(&mut |request| {
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
    if watching.shedder.shed(now, requests) {
        tracing::warn!(
            waited_ms = millis(longest),
            limit_ms = millis(limit),
            retry_after,
            in_flight,
            "all workers are busy, requests that wait longer than --shed-wait get 503"
        );
    }
}
