//! Stories of reloads with too little memory.

use super::story::*;
use crate::master::supervisor::*;

/// In units of a worker.
fn memory(limit: u64, free: u64) -> AvailableMemory {
    AvailableMemory {
        limit: limit * 100,
        free: free * 100 + 99,
        worker: 100,
    }
}

#[test]
fn reload_with_room_for_all_is_one_transaction() {
    let mut story = Story::serving(plan(3));
    story.memory = Some(memory(6, 3));
    story.signal(Signal::Hup).config(2, plan(3));
    assert_eq!(story.spawned(), [4, 5, 6]);
    assert!(matches!(story.reports[..], [Report::ReloadBegan { .. }]));
}

#[test]
fn reload_with_room_for_one_replaces_one_slot_after_the_other() {
    let mut story = Story::serving(plan(3));
    story.memory = Some(memory(4, 1));
    story.signal(Signal::Hup).config(2, plan(3));
    assert_eq!(story.spawned(), [4]);
    let (generation, memory) = (Generation(2), memory(4, 1));
    let limited = Report::ReloadLimited {
        generation,
        at_once: 1,
        memory,
    };
    assert!(story.reports.contains(&limited), "{:?}", story.reports);
    story.ready(4);
    assert_eq!(story.actions, [drain(1, DrainCause::Replaced, 30)]);
    // The old one drains, and releases no memory yet.
    story.memory = Some(self::memory(4, 0));
    story.says(1, WorkerMessage::StoppedAccepting);
    assert_eq!(story.actions, [go(4)]);
    assert_eq!(story.seconds(3), []);
    story.exits(1, Exit::Code(0));
    story.memory = Some(self::memory(4, 1));
    let actions = story.seconds(1);
    assert_eq!(actions, [spawn(5, 1, 2)]);
    assert!(!story.reports.contains(&limited), "once is enough");
    story.ready(5).says(2, WorkerMessage::StoppedAccepting);
    story.exits(2, Exit::Code(0));
    story.ready(6).says(3, WorkerMessage::StoppedAccepting);
    assert!(story.did(&go(6)), "{:?}", story.actions);
    let workers = 3;
    assert_eq!(
        story.reports,
        [Report::Reloaded {
            generation,
            workers
        }]
    );
}

#[test]
fn reload_without_room_is_refused_with_the_numbers() {
    let mut story = Story::serving(plan(2));
    story.memory = Some(memory(2, 0));
    story.control(7, Command::Reload).config(2, plan(2));
    assert!(story.spawned().is_empty());
    let why = ReloadFailure::NoMemory {
        memory: memory(2, 0),
    };
    let answer = Answer::ReloadFailed {
        generation: Generation(2),
        why,
    };
    assert!(story.did(&Action::Reply {
        token: Token(7),
        answer
    }));
    // There is room again.
    story.memory = Some(memory(4, 2));
    story.signal(Signal::Hup).config(3, plan(2));
    assert_eq!(story.spawned(), [3, 4]);
}

#[test]
fn respawn_waits_while_a_rollout_is_taken_back() {
    let mut story = Story::serving(plan(2));
    story.memory = Some(memory(4, 2));
    story.signal(Signal::Hup).config(2, plan(2));
    story.ready(3).exits(4, Exit::OutOfMemory);
    assert!(story.did(&stop_fast(3)), "{:?}", story.actions);
    story.exits(1, Exit::OutOfMemory);
    assert_eq!(story.actions, []);
    story.exits(3, Exit::Code(0));
    assert_eq!(story.spawned(), [5]);
}
