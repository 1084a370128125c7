//! Stories of rollbacks after a reload or a promotion.

use std::time::Duration;

use super::story::*;
use crate::master::supervisor::DrainCause::Replaced;
use crate::master::supervisor::*;

fn windowed(workers: u32) -> Plan {
    Plan {
        rollback_window: Duration::from_secs(60),
        ..plan(workers)
    }
}

/// Generation 2 serves in incarnations 3 and 4; 1 and 2 are paused.
fn reloaded() -> Story {
    let mut story = Story::serving(windowed(2));
    story.signal(Signal::Hup).config(2, windowed(2));
    story.ready(3).ready(4);
    assert_eq!(story.actions, [pause(1), pause(2)]);
    story
        .says(1, WorkerMessage::StoppedAccepting)
        .says(2, WorkerMessage::StoppedAccepting);
    assert!(
        story.did(&go(3)) && story.did(&go(4)),
        "{:?}",
        story.actions
    );
    assert_eq!(story.supervisor.generation(), Generation(2));
    story
}

#[test]
fn rollback_brings_the_paused_workers_back_without_a_boot() {
    let mut story = reloaded();
    story.control(8, Command::Rollback);
    assert_eq!(
        story.actions,
        [
            Action::Notify(ServiceState::Reloading),
            drain(3, Replaced, 30),
            drain(4, Replaced, 30)
        ]
    );
    story
        .says(3, WorkerMessage::StoppedAccepting)
        .says(4, WorkerMessage::StoppedAccepting);
    let answer = Answer::TakenBack {
        generation: Generation(2),
        to: Generation(1),
        why: ReloadFailure::Discarded,
    };
    assert!(
        story.did(&go(1)) && story.did(&go(2)),
        "{:?}",
        story.actions
    );
    assert_eq!(answered(&story, 8), Some(answer));
    assert_eq!(story.supervisor.generation(), Generation(1));
    assert_eq!(story.exits(1, KILLED).actions, [spawn(5, 0, 1)]);
    // It cannot be undone, and numbers are never reused.
    story.control(9, Command::Rollback);
    assert_eq!(
        answered(&story, 9),
        Some(Answer::Refused(RolloutRefusal::NothingKept))
    );
    story.signal(Signal::Hup);
    let generation = Generation(3);
    assert!(story.did(&Action::ReadConfig { generation }));
}

#[test]
fn rollback_is_possible_for_the_window_alone() {
    let mut story = reloaded();
    assert_eq!(story.seconds(59), []);
    assert_eq!(
        story.seconds(1),
        [drain(1, Replaced, 30), drain(2, Replaced, 30)]
    );
    story.control(8, Command::Rollback);
    assert_eq!(
        answered(&story, 8),
        Some(Answer::Refused(RolloutRefusal::NothingKept))
    );
}

#[test]
fn without_a_window_nothing_is_kept() {
    let mut story = Story::serving(plan(1));
    story.signal(Signal::Hup).config(2, plan(1)).ready(2);
    assert_eq!(story.actions, [drain(1, Replaced, 30)]);
}

#[test]
fn rollback_gives_up_a_reload_that_has_begun() {
    let mut story = reloaded();
    story.control(8, Command::Reload).config(3, windowed(2));
    story.control(9, Command::Rollback);
    let why = ReloadFailure::Discarded;
    let generation = Generation(3);
    assert_eq!(
        answered(&story, 8),
        Some(Answer::ReloadFailed { generation, why })
    );
    story.seconds(1);
    assert!(
        story.did(&go(1)) && story.did(&go(2)),
        "{:?}",
        story.actions
    );
}

#[test]
fn a_failed_reload_does_not_lose_what_is_kept_and_the_next_one_replaces_it() {
    let mut story = reloaded();
    story.signal(Signal::Hup).config(3, windowed(2));
    let phase = BootPhase::Import;
    story.says(5, WorkerMessage::Failed { phase });
    story.exits(5, Exit::Code(3)).exits(6, KILLED);
    story.signal(Signal::Hup).config(4, windowed(2));
    story.ready(7).ready(8);
    let expected = [
        pause(3),
        pause(4),
        drain(1, Replaced, 30),
        drain(2, Replaced, 30),
    ];
    assert_eq!(story.actions, expected);
    story.seconds(1);
    story.control(8, Command::Rollback).seconds(1);
    assert_eq!(story.supervisor.generation(), Generation(2));
}

#[test]
fn rollback_boots_who_has_ended_before_anybody_leaves() {
    let mut story = reloaded();
    story.exits(1, KILLED).control(8, Command::Rollback);
    assert_eq!(story.spawned(), [5]);
    assert!(!story.did(&drain(3, Replaced, 30)), "{:?}", story.actions);
    assert_eq!(
        story.ready(5).actions,
        [drain(3, Replaced, 30), drain(4, Replaced, 30)]
    );
    story.seconds(1);
    assert!(
        story.did(&go(5)) && story.did(&go(2)),
        "{:?}",
        story.actions
    );
}

#[test]
fn nothing_is_kept_when_the_last_of_them_has_ended() {
    let mut story = reloaded();
    story.exits(1, KILLED).exits(2, KILLED);
    let generation = Generation(1);
    assert!(story.did(&Action::Forget { generation }));
    story.control(8, Command::Rollback);
    assert_eq!(
        answered(&story, 8),
        Some(Answer::Refused(RolloutRefusal::NothingKept))
    );
}

#[test]
fn kept_workers_end_with_the_server() {
    let mut story = reloaded();
    story.signal(Signal::Term);
    for n in 1..=4 {
        let drained = drain(n, DrainCause::Shutdown, 30);
        assert!(story.did(&drained), "{n}: {:?}", story.actions);
    }
}

#[test]
fn a_kept_worker_that_is_sent_away_drains() {
    let mut story = reloaded();
    story.says(1, WorkerMessage::StoppedAccepting);
    assert!(
        matches!(story.reports[..], [Report::WorkerLeaves { .. }]),
        "{:?}",
        story.reports
    );
    story.exits(1, Exit::Code(0));
    story.control(8, Command::Rollback);
    assert_eq!(story.spawned(), [5]);
}

#[test]
fn with_a_window_a_surge_is_taken_back_as_a_whole() {
    let one = Plan {
        surge: Some(1),
        ..windowed(2)
    };
    let mut story = Story::serving(one.clone());
    story.signal(Signal::Hup).config(2, one).ready(3);
    assert_eq!(story.actions, [pause(1)]);
    story.says(1, WorkerMessage::StoppedAccepting);
    assert!(
        story.did(&go(3)) && story.did(&spawn(4, 1, 2)),
        "{:?}",
        story.actions
    );
    let phase = BootPhase::Import;
    story.says(4, WorkerMessage::Failed { phase });
    assert!(story.did(&drain(3, Replaced, 30)), "{:?}", story.actions);
    story.says(3, WorkerMessage::StoppedAccepting);
    assert!(story.did(&go(1)), "{:?}", story.actions);
}
