//! The three probes of an orchestrator, answered from the scoreboard.

use crate::ipc::{Board, Page, ScoreboardState, Service};

/// A master whose loop has not turned for that long is not alive; it turns at least once a second.
const DEAD_MS: u64 = 30_000;
/// A worker without a heartbeat for that long takes no request: its app blocks it. It beats at least once a second.
const STUCK_MS: u64 = 5_000;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Probe {
    /// Whether a restart would help. Busy or failing workers are no reason: the master handles them.
    Live,
    /// Whether requests are to be sent here.
    Ready,
    /// Whether the first boot is over.
    Started,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProbeVerdict {
    Yes,
    No(String),
}

impl Probe {
    /// `now`: monotonic milliseconds.
    pub fn ask(self, board: &Board, now: u64) -> ProbeVerdict {
        match self {
            Self::Live => live(now.saturating_sub(board.facts().beat_ms)),
            Self::Ready => ready(board, now),
            Self::Started if board.facts().started => ProbeVerdict::Yes,
            Self::Started => ProbeVerdict::No("booting".to_owned()),
        }
    }
}

fn live(silent_ms: u64) -> ProbeVerdict {
    if silent_ms < DEAD_MS {
        ProbeVerdict::Yes
    } else {
        ProbeVerdict::No(format!(
            "the master gave no sign of life for {} s",
            silent_ms / 1000
        ))
    }
}

fn ready(board: &Board, now: u64) -> ProbeVerdict {
    if board.service() == Service::Stopping {
        return ProbeVerdict::No("stopping".to_owned());
    }
    let (mut booting, mut stuck, mut waiting, mut leaving) = (0, 0, 0, 0);
    for page in board.living() {
        match page.state() {
            Some(ScoreboardState::Accepting) if is_alive(&page, now) => return ProbeVerdict::Yes,
            Some(ScoreboardState::Accepting) => stuck += 1,
            None | Some(ScoreboardState::Booting) => booting += 1,
            Some(ScoreboardState::Ready) => waiting += 1,
            Some(ScoreboardState::Draining | ScoreboardState::Exiting) => leaving += 1,
        }
    }
    // One generation hands over to the next: connections wait for some milliseconds, and none is refused.
    if waiting > 0 && leaving > 0 {
        return ProbeVerdict::Yes;
    }
    let booting = booting + waiting;
    ProbeVerdict::No(format!(
        "no worker takes requests: {booting} booting, {stuck} stuck"
    ))
}

fn is_alive(page: &Page, now: u64) -> bool {
    now.saturating_sub(page.heartbeat()) < STUCK_MS
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ipc::{Scoreboard, ServiceFacts};

    const NOW: u64 = 1_000_000;

    fn no(why: &str) -> ProbeVerdict {
        ProbeVerdict::No(why.to_owned())
    }

    #[test]
    fn ready_while_one_worker_takes_requests() {
        let board = Scoreboard::create(4).expect("a small mapping");
        let ask = || Probe::Ready.ask(&board.board(), NOW);
        assert_eq!(ask(), no("no worker takes requests: 0 booting, 0 stuck"));
        let (one, two) = (
            board.acquire(0, 1).expect("a page"),
            board.acquire(1, 1).expect("a page"),
        );
        one.set_state(ScoreboardState::Booting);
        one.beat(NOW);
        assert_eq!(ask(), no("no worker takes requests: 2 booting, 0 stuck"));
        one.set_state(ScoreboardState::Accepting);
        assert_eq!(ask(), ProbeVerdict::Yes);
        one.beat(NOW - STUCK_MS);
        assert_eq!(ask(), no("no worker takes requests: 1 booting, 1 stuck"));
        two.set_state(ScoreboardState::Accepting);
        two.beat(NOW - STUCK_MS + 1);
        assert_eq!(ask(), ProbeVerdict::Yes);
        one.set_state(ScoreboardState::Draining);
        two.set_state(ScoreboardState::Ready);
        assert_eq!(ask(), ProbeVerdict::Yes, "one hands over to the other");
        two.set_state(ScoreboardState::Booting);
        assert_eq!(ask(), no("no worker takes requests: 1 booting, 0 stuck"));
        two.set_state(ScoreboardState::Accepting);
        board.set_service(Service::Reloading);
        assert_eq!(ask(), ProbeVerdict::Yes);
        board.set_service(Service::Stopping);
        assert_eq!(ask(), no("stopping"));
    }

    #[test]
    fn alive_while_the_master_turns_and_started_once_it_was_up() {
        let board = Scoreboard::create(1).expect("a small mapping");
        let ask = |probe: Probe| probe.ask(&board.board(), NOW);
        assert_eq!(ask(Probe::Started), no("booting"));
        let facts = ServiceFacts {
            beat_ms: NOW - DEAD_MS,
            started: true,
            ..ServiceFacts::default()
        };
        board.publish(&facts);
        assert_eq!(
            ask(Probe::Live),
            no("the master gave no sign of life for 30 s")
        );
        assert_eq!(ask(Probe::Started), ProbeVerdict::Yes);
        board.publish(&ServiceFacts {
            beat_ms: NOW - 10,
            ..facts
        });
        assert_eq!(ask(Probe::Live), ProbeVerdict::Yes);
    }
}
