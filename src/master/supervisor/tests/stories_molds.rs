//! Stories of molds: when one is started, the consequences of its exit, and that workers wait for it.

use std::time::Duration;

use super::story::*;
use crate::master::supervisor::*;

const FIRST: Generation = Generation(1);
const SECOND: Generation = Generation(2);

fn preloaded(workers: u32) -> Plan {
    Plan {
        forked_from: ForkedFrom::Mold,
        ..plan(workers)
    }
}

fn start(generation: Generation) -> Action {
    Action::StartMold { generation }
}

impl Story {
    fn mold(&mut self, generation: Generation, message: MoldMessage) -> &mut Self {
        self.event(Event::Mold {
            generation,
            message,
        })
    }

    fn mold_ends(&mut self, generation: Generation, exit: Exit) -> &mut Self {
        let why = BootFailure::Exited(exit);
        self.event(Event::MoldEnded { generation, why })
    }

    fn forked(&mut self, n: u64) -> &mut Self {
        self.event(Event::Forked {
            incarnation: Incarnation(n),
        })
    }
}

fn serving(workers: u32) -> Story {
    let mut story = Story::new(preloaded(workers));
    story.mold(FIRST, MoldMessage::Ready);
    for n in 1..=u64::from(workers) {
        story.forked(n).ready(n);
    }
    assert!(story.supervisor.is_up(), "{:?}", story.reports);
    story
}

#[test]
fn workers_wait_for_their_mold() {
    let mut story = Story::new(preloaded(2));
    assert_eq!(story.actions, [start(FIRST)]);
    assert_eq!(story.seconds(5), []);
    story.mold(FIRST, MoldMessage::Ready);
    assert_eq!(story.actions, [spawn(1, 0, 1), spawn(2, 1, 1)]);
}

#[test]
fn preparations_come_before_the_mold() {
    let mut story = Story::new(Plan {
        preparations: 1,
        ..preloaded(1)
    });
    assert_eq!(story.actions, [Action::Prepare { step: 0 }]);
    story.event(Event::Prepared { step: 0, code: 0 });
    assert_eq!(story.actions, [start(FIRST)]);
}

#[test]
fn mold_that_fails_first_ends_the_server_with_gunicorns_code() {
    for (phase, code) in [(BootPhase::Import, 3), (BootPhase::Load, 4)] {
        let mut story = Story::new(preloaded(1));
        story.mold(FIRST, MoldMessage::Failed { phase });
        assert!(story.did(&Action::Exit { code }), "{:?}", story.actions);
    }
    let mut story = Story::new(preloaded(1));
    story.mold_ends(FIRST, Exit::Code(1));
    assert!(story.did(&Action::Exit { code: 3 }));
}

#[test]
fn mold_that_is_late_is_killed() {
    let mut story = Story::new(preloaded(1));
    let mut actions = vec![];
    for _ in 0..60 {
        actions.extend(story.seconds(1));
    }
    assert_eq!(
        actions,
        [
            Action::KillMold { generation: FIRST },
            Action::Notify(ServiceState::Stopping),
            Action::CloseListeners,
            Action::Exit { code: 3 },
        ]
    );
}

#[test]
fn dead_mold_is_built_anew_and_paced() {
    let mut story = serving(1);
    for seconds in [0, 1, 2, 4, 8, 16, 30, 30] {
        story.mold_ends(FIRST, Exit::Code(1));
        if seconds == 0 {
            assert_eq!(story.actions, [start(FIRST)]);
        } else {
            assert_eq!(story.actions, []);
            assert_eq!(story.pass(Duration::from_secs(seconds)), [start(FIRST)]);
        }
    }
    // Killed from outside, it is restarted at once.
    story.mold(FIRST, MoldMessage::Ready);
    for _ in 0..10 {
        story.seconds(1);
    }
    assert_eq!(story.mold_ends(FIRST, KILLED).actions, [start(FIRST)]);
}

#[test]
fn dead_worker_waits_for_the_next_mold() {
    let mut story = serving(2);
    story.mold_ends(FIRST, KILLED);
    assert_eq!(story.exits(1, KILLED).actions, []);
    story.mold(FIRST, MoldMessage::Ready);
    assert_eq!(story.actions, [spawn(3, 0, 1)]);
}

#[test]
fn worker_that_was_not_forked_is_spawned_again() {
    let mut story = serving(2);
    assert_eq!(story.exits(1, KILLED).actions, [spawn(3, 0, 1)]);
    story.mold_ends(FIRST, KILLED);
    story.event(Event::SpawnFailed {
        incarnation: Incarnation(3),
    });
    assert_eq!(story.actions, []);
    story.mold(FIRST, MoldMessage::Ready);
    assert_eq!(story.actions, [spawn(4, 0, 1)]);
}

#[test]
fn mold_that_does_not_fork_is_killed() {
    let mut story = serving(2);
    story.exits(1, KILLED);
    let mut actions = vec![];
    for _ in 0..60 {
        actions.extend(story.seconds(1));
    }
    let generation = FIRST;
    assert_eq!(
        actions,
        [
            kill(3, KillReason::BootTimeout),
            Action::KillMold { generation }
        ]
    );
    assert_eq!(story.mold_ends(FIRST, KILLED).actions, [start(FIRST)]);
}

#[test]
fn reload_makes_a_mold_of_its_own() {
    let mut story = serving(2);
    story.signal(Signal::Hup).config(2, preloaded(2));
    assert_eq!(story.actions, [start(SECOND)]);
    // The old one serves a worker that dies in the meantime.
    assert_eq!(story.exits(1, KILLED).actions, [spawn(3, 0, 1)]);
    story.forked(3).ready(3);
    story.mold(SECOND, MoldMessage::Ready);
    assert_eq!(story.actions, [spawn(4, 0, 2), spawn(5, 1, 2)]);
    for n in [4, 5] {
        story.forked(n).ready(n);
    }
    for n in [2, 3] {
        story.says(n, WorkerMessage::StoppedAccepting);
    }
    assert_eq!(story.supervisor.generation(), SECOND);
    // It lives as long as its workers.
    assert_eq!(story.exits(2, Exit::Code(0)).actions, []);
    let generation = FIRST;
    assert_eq!(
        story.exits(3, Exit::Code(0)).actions,
        [Action::Forget { generation }]
    );
}

#[test]
fn reload_whose_mold_fails_changes_nothing() {
    let mut story = serving(1);
    story.signal(Signal::Hup).config(2, preloaded(1));
    story.mold(
        SECOND,
        MoldMessage::Failed {
            phase: BootPhase::Import,
        },
    );
    let failed = |report: &Report| {
        let why = ReloadFailure::Mold {
            generation: SECOND,
            why: BootFailure::Reported(BootPhase::Import),
        };
        matches!(report, Report::ReloadFailed { why: found, .. } if *found == why)
    };
    assert!(story.reports.iter().any(failed), "{:?}", story.reports);
    assert_eq!(story.seconds(5), []);
    assert_eq!(story.exits(1, KILLED).actions, [spawn(2, 0, 1)]);
}

#[test]
fn generation_without_mold_follows_one_with() {
    let mut story = serving(1);
    story.signal(Signal::Hup).config(2, plan(1));
    assert_eq!(story.actions, [spawn(2, 0, 2)]);
    story.ready(2).says(1, WorkerMessage::StoppedAccepting);
    assert!(story.did(&go(2)));
}

#[test]
fn development_waits_for_a_change() {
    let mut story = Story::new(Plan {
        sources: SourceWatching::Watched,
        ..preloaded(1)
    });
    let phase = BootPhase::Import;
    story.mold(FIRST, MoldMessage::Failed { phase });
    story.mold_ends(FIRST, Exit::Code(3));
    assert_eq!(story.seconds(40), []);
    assert_eq!(story.event(Event::Changed).actions, [start(FIRST)]);
}
