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

fn windowed_mold(workers: u32) -> Plan {
    Plan {
        rollback_keep: KeptProcesses::Mold,
        forked_from: ForkedFrom::Mold,
        ..windowed(workers)
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
fn rollback_boots_nobody_while_an_abandoned_boot_holds_memory() {
    let mut story = reloaded();
    story.memory = Some(AvailableMemory {
        limit: 500,
        free: 150,
        worker: 100,
    });
    story.exits(1, KILLED);
    story.signal(Signal::Hup).config(3, windowed(2));
    assert_eq!(story.spawned(), [5]);
    story.control(8, Command::Rollback);
    let incarnation = Incarnation(5);
    assert!(story.did(&Action::Terminate { incarnation }));
    assert!(story.spawned().is_empty(), "{:?}", story.actions);
    assert_eq!(story.exits(5, KILLED).spawned(), [6]);
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

fn mold_says(story: &mut Story, generation: u32, message: MoldMessage) {
    story.event(Event::Mold {
        generation: Generation(generation),
        message,
    });
}

/// Generation 2 serves in incarnations 3 and 4; only the mold of generation 1 is left.
fn reloaded_with_mold() -> Story {
    let mut story = Story::new(windowed_mold(2));
    mold_says(&mut story, 1, MoldMessage::Ready);
    story.ready(1).ready(2);
    story.signal(Signal::Hup).config(2, windowed_mold(2));
    mold_says(&mut story, 2, MoldMessage::Ready);
    story.ready(3).ready(4);
    assert_eq!(
        story.actions,
        [drain(1, Replaced, 30), drain(2, Replaced, 30)]
    );
    story.exits(1, Exit::Code(0)).exits(2, Exit::Code(0));
    assert!(
        story.did(&go(3)) && story.did(&go(4)),
        "{:?}",
        story.actions
    );
    let previous = story.supervisor.previous().expect("kept");
    assert_eq!(
        (previous.generation, previous.kept),
        (Generation(1), KeptProcesses::Mold)
    );
    story
}

#[test]
fn a_kept_mold_forks_its_workers_before_the_others_leave() {
    let mut story = reloaded_with_mold();
    story.control(8, Command::Rollback);
    assert_eq!(
        story.actions,
        [
            Action::Notify(ServiceState::Reloading),
            spawn(5, 0, 1),
            spawn(6, 1, 1)
        ]
    );
    assert_eq!(story.ready(5).actions, []);
    story.ready(6);
    assert_eq!(
        story.actions,
        [drain(3, Replaced, 30), drain(4, Replaced, 30)]
    );
    story.seconds(1);
    assert!(
        story.did(&go(5)) && story.did(&go(6)),
        "{:?}",
        story.actions
    );
    assert_eq!(story.supervisor.generation(), Generation(1));
}

#[test]
fn a_kept_mold_whose_workers_fail_changes_nothing_and_stays() {
    let mut story = reloaded_with_mold();
    story.control(8, Command::Rollback).ready(5);
    let phase = BootPhase::Lifespan;
    story.says(6, WorkerMessage::Failed { phase });
    assert!(
        matches!(
            answered(&story, 8),
            Some(Answer::NotTakenBack {
                generation: Generation(2),
                why: ReloadFailure::Boot { .. }
            })
        ),
        "{:?}",
        story.actions
    );
    assert!(story.did(&stop_fast(5)), "{:?}", story.actions);
    assert_eq!(story.supervisor.generation(), Generation(2));
    story.exits(5, Exit::Code(0)).exits(6, Exit::Code(3));
    assert_eq!(story.spawned(), [0_u64; 0]);
    assert_eq!(story.control(9, Command::Rollback).spawned(), [7, 8]);
}

#[test]
fn a_mold_that_ends_is_not_kept_and_not_started_again() {
    let mut story = reloaded_with_mold();
    story.event(Event::MoldEnded {
        generation: Generation(1),
        why: BootFailure::Exited(KILLED),
    });
    let generation = Generation(1);
    assert!(story.did(&Action::Forget { generation }));
    assert!(story.supervisor.previous().is_none());
}

#[test]
fn a_rollback_fails_when_its_mold_ends() {
    let mut story = reloaded_with_mold();
    story.control(8, Command::Rollback);
    story.event(Event::MoldEnded {
        generation: Generation(1),
        why: BootFailure::Exited(KILLED),
    });
    assert!(
        matches!(answered(&story, 8), Some(Answer::NotTakenBack { .. })),
        "{:?}",
        story.actions
    );
    let generation = Generation(1);
    assert!(!story.did(&Action::StartMold { generation }));
}

#[test]
fn a_kept_mold_is_dismissed_with_the_window() {
    let mut story = reloaded_with_mold();
    story.seconds(59);
    let generation = Generation(1);
    assert!(story.seconds(1).contains(&Action::Forget { generation }));
}

#[test]
fn a_kept_mold_returns_in_batches_where_memory_is_short() {
    let mut story = reloaded_with_mold();
    let free = |free| {
        Some(AvailableMemory {
            limit: 500,
            free,
            worker: 100,
        })
    };
    story.memory = free(150);
    story.control(8, Command::Rollback);
    assert_eq!(story.spawned(), [5]);
    story.ready(5);
    assert!(
        story.did(&drain(3, Replaced, 30)) && !story.did(&drain(4, Replaced, 30)),
        "{:?}",
        story.actions
    );
    story.exits(3, Exit::Code(0));
    assert!(
        story.did(&go(5)) && story.did(&spawn(6, 1, 1)),
        "{:?}",
        story.actions
    );
    story.ready(6).exits(4, Exit::Code(0));
    assert!(
        matches!(answered(&story, 8), Some(Answer::TakenBack { .. })),
        "{:?}",
        story.actions
    );
    // Not one fits: nothing is begun.
    let mut story = reloaded_with_mold();
    story.memory = free(50);
    story.control(8, Command::Rollback);
    assert!(
        matches!(
            answered(&story, 8),
            Some(Answer::NotTakenBack {
                why: ReloadFailure::NoMemory { .. },
                ..
            })
        ),
        "{:?}",
        story.actions
    );
}

#[test]
fn a_generation_whose_mold_has_no_app_keeps_its_workers() {
    let mut story = Story::serving(windowed(1));
    story.signal(Signal::Hup).config(2, windowed_mold(1));
    mold_says(&mut story, 2, MoldMessage::Ready);
    assert_eq!(story.ready(2).actions, [pause(1)]);
}

#[test]
fn a_slot_that_is_added_during_a_rollback_is_part_of_it() {
    let mut story = reloaded_with_mold();
    story.control(8, Command::Rollback).signal(Signal::Ttin);
    assert_eq!(story.actions, [spawn(7, 2, 1)]);
    // The old ones serve until all of the returning generation are ready.
    assert_eq!(story.ready(5).ready(6).actions, []);
    story.ready(7);
    assert_eq!(
        story.actions,
        [drain(3, Replaced, 30), drain(4, Replaced, 30)]
    );
    story.seconds(1);
    for n in 5..=7 {
        assert!(story.did(&go(n)), "{:?}", story.actions);
    }
    assert_eq!(story.supervisor.target(), 3);
    // The same where workers were kept, and one has ended.
    let mut story = reloaded();
    story.exits(1, KILLED).control(8, Command::Rollback);
    assert_eq!(story.spawned(), [5]);
    story.signal(Signal::Ttin);
    assert_eq!(story.actions, [spawn(6, 2, 1)]);
    assert_eq!(story.ready(5).actions, []);
    story.ready(6);
    assert_eq!(
        story.actions,
        [drain(3, Replaced, 30), drain(4, Replaced, 30)]
    );
    story.seconds(1);
    for n in [2, 5, 6] {
        assert!(story.did(&go(n)), "{:?}", story.actions);
    }
}

#[test]
fn a_slot_that_is_removed_during_a_rollback_is_not_awaited() {
    let mut story = reloaded_with_mold();
    story.control(8, Command::Rollback).ready(5);
    story.signal(Signal::Ttou);
    assert!(
        story.did(&terminate(6)) && story.did(&drain(3, Replaced, 30)),
        "{:?}",
        story.actions
    );
    story.seconds(1);
    assert!(story.did(&go(5)), "{:?}", story.actions);
    assert_eq!(story.supervisor.target(), 1);
}
