//! Stories of `--refork-after`: a worker becomes the mold, the others are replaced, and what happens where that fails.

use std::time::Duration;

use super::story::*;
use crate::master::supervisor::*;

const FIRST: Generation = Generation(1);

fn order(n: u64) -> Action {
    Action::Send {
        incarnation: Incarnation(n),
        order: Order::BecomeMold {
            graceful: Duration::from_secs(30),
        },
    }
}

fn adopt(n: u64) -> Action {
    Action::AdoptMold {
        incarnation: Incarnation(n),
        generation: FIRST,
    }
}

const END_BEFORE: Action = Action::EndMoldBefore { generation: FIRST };
const RETURN: Action = Action::ReturnToMoldBefore { generation: FIRST };

impl Story {
    fn forked_and_ready(&mut self, n: u64) -> &mut Self {
        let incarnation = Incarnation(n);
        self.event(Event::Forked { incarnation }).ready(n)
    }

    fn served(&mut self, n: u64, requests: u64) -> &mut Self {
        self.event(Event::Heartbeats(vec![Beat {
            incarnation: Incarnation(n),
            age: Duration::ZERO,
            slowest: None,
            requests,
            memory: None,
        }]))
    }

    fn refused(&self) -> bool {
        let refused = |report: &Report| matches!(report, Report::NotReforked { .. });
        self.reports.iter().any(refused)
    }
}

/// Two workers, 1 and 2, of a mold. Worker 1 has served enough, and 3 is its replacement; 1 was ordered to become the mold.
fn ordered() -> Story {
    let mut story = Story::new(Plan {
        forked_from: ForkedFrom::Mold,
        refork_after: Some(100),
        ..plan(2)
    });
    let (generation, message) = (FIRST, MoldMessage::Ready);
    story.event(Event::Mold {
        generation,
        message,
    });
    story.forked_and_ready(1).forked_and_ready(2);
    assert_eq!(story.served(1, 99).actions, []);
    assert_eq!(story.served(1, 100).actions, [spawn(3, 0, 1)]);
    // One is enough.
    assert_eq!(story.served(2, 100).actions, []);
    story.forked_and_ready(3);
    assert_eq!(story.actions, [order(1), go(3)]);
    story
}

/// It is the mold.
fn adopted() -> Story {
    let mut story = ordered();
    story.says(1, WorkerMessage::StoppedAccepting);
    story.says(1, WorkerMessage::CanFork);
    assert_eq!(story.actions, [adopt(1)]);
    story
}

#[test]
fn a_worker_becomes_the_mold_and_the_others_are_replaced_one_by_one() {
    let mut story = adopted();
    assert_eq!(story.served(2, 100).actions, [spawn(4, 1, 1)]);
    assert_eq!(story.served(3, 5).actions, [], "one after the other");
    story.forked_and_ready(4);
    assert_eq!(
        story.actions,
        [END_BEFORE, drain(2, DrainCause::Replaced, 30), go(4)]
    );
    story.exits(2, Exit::Code(0));
    assert_eq!(story.actions, [spawn(5, 0, 1)]);
    story.forked_and_ready(5);
    assert_eq!(story.actions, [drain(3, DrainCause::Replaced, 30), go(5)]);
    story.exits(3, Exit::Code(0));
    assert_eq!(story.actions, []);
    for n in [4, 5] {
        assert_eq!(story.served(n, 999).actions, [], "once for each generation");
    }
}

#[test]
fn a_worker_that_cannot_is_replaced_and_no_other_one_tries() {
    let mut story = ordered();
    story.exits(1, Exit::Code(0));
    assert!(story.refused());
    assert_eq!(story.actions, []);
    assert_eq!(story.served(2, 500).served(3, 500).actions, []);
    assert_eq!(story.exits(2, KILLED).actions, [spawn(4, 1, 1)]);
}

#[test]
fn a_worker_that_does_not_boot_brings_the_mold_before_back() {
    let mut story = adopted();
    story.served(2, 1);
    story.event(Event::Forked {
        incarnation: Incarnation(4),
    });
    let phase = BootPhase::Lifespan;
    story.says(4, WorkerMessage::Failed { phase });
    assert_eq!(story.actions, [RETURN]);
    assert!(story.refused());
    story.exits(4, Exit::Code(3));
    for n in [2, 3] {
        assert_eq!(story.served(n, 500).actions, []);
    }
}

#[test]
fn a_new_mold_that_ends_or_hangs_brings_the_one_before_back() {
    let mut story = adopted();
    let (generation, why) = (FIRST, BootFailure::Exited(KILLED));
    story.event(Event::MoldEnded { generation, why });
    assert_eq!(story.actions, [RETURN]);
    // It has ended, too.
    story.event(Event::MoldEnded { generation, why });
    assert_eq!(story.actions, [Action::StartMold { generation }]);

    let mut story = adopted();
    story.served(2, 1);
    let mut actions = vec![];
    for _ in 0..60 {
        actions.extend(story.seconds(1));
    }
    assert_eq!(actions, [kill(4, KillReason::BootTimeout), RETURN]);
}

#[test]
fn a_worker_waits_until_the_mold_has_forked_what_it_was_asked_for() {
    let mut story = ordered();
    assert_eq!(story.exits(2, KILLED).actions, [spawn(4, 1, 1)]);
    story.says(1, WorkerMessage::CanFork);
    assert_eq!(story.actions, []);
    story.event(Event::Forked {
        incarnation: Incarnation(4),
    });
    assert_eq!(story.actions, [adopt(1)]);
}

#[test]
fn a_mold_that_has_died_in_the_meantime_is_started_anew() {
    let mut story = ordered();
    let (generation, why) = (FIRST, BootFailure::Exited(KILLED));
    story.event(Event::MoldEnded { generation, why });
    assert_eq!(story.actions, [Action::StartMold { generation }]);
    story.says(1, WorkerMessage::CanFork);
    assert_eq!(story.actions, [stop_fast(1)]);
}

#[test]
fn a_stop_does_not_wait_for_it() {
    let mut story = ordered();
    story.signal(Signal::Term);
    assert!(story.did(&drain(1, DrainCause::Shutdown, 30)));
    story.says(1, WorkerMessage::CanFork);
    assert_eq!(story.actions, []);
}
