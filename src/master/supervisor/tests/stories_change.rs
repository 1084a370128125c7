//! Stories of `--reload`: files that change while the server boots, serves, or waits for them.

use super::story::*;
use crate::master::supervisor::*;

fn watched(workers: u32) -> Plan {
    Plan {
        sources: SourceWatching::Watched,
        ..plan(workers)
    }
}

const SYNTAX_ERROR: WorkerMessage = WorkerMessage::Failed {
    phase: BootPhase::Load,
};

#[test]
fn a_change_is_a_reload_and_replaced_workers_get_a_second() {
    let mut story = Story::serving(watched(1));
    story.event(Event::Changed);
    let generation = Generation(2);
    assert!(story.did(&Action::ReadConfig { generation }));
    story.config(2, watched(1)).ready(2);
    assert_eq!(story.actions, [drain(1, DrainCause::Replaced, 1)]);
    story.says(1, WorkerMessage::StoppedAccepting);
    story.exits(1, Exit::Code(0));
    // The stop of the server takes its usual time.
    story.signal(Signal::Term);
    assert!(
        story.did(&drain(2, DrainCause::Shutdown, 30)),
        "{:?}",
        story.actions
    );
}

#[test]
fn without_being_asked_for_a_change_changes_nothing() {
    let mut story = Story::serving(plan(1));
    assert_eq!(story.event(Event::Changed).actions, []);
}

#[test]
fn a_first_boot_that_fails_waits_for_the_next_change() {
    let mut story = Story::new(watched(2));
    for n in [1, 2] {
        story.says(n, SYNTAX_ERROR);
        assert!(matches!(
            story.reports.as_slice(),
            [Report::BootFailed {
                retry: Retry::AtNextChange,
                ..
            }]
        ));
        story.exits(n, Exit::Code(4));
    }
    assert_eq!(story.seconds(3600), []);
    story.event(Event::Changed);
    assert_eq!(story.actions, [spawn(3, 0, 1), spawn(4, 1, 1)]);
    story.ready(3).ready(4);
    assert!(story.supervisor.is_up());
}

#[test]
fn whoever_boots_when_a_file_changes_begins_anew() {
    let mut story = Story::new(watched(1));
    story.event(Event::Changed);
    assert_eq!(story.actions, [terminate(1), spawn(2, 0, 1)]);
    story.exits(
        1,
        Exit::Signal {
            signal: 15,
            core: CoreDump::No,
        },
    );
    story.ready(2);
    assert!(story.supervisor.is_up());
}

#[test]
fn whoever_was_ready_before_the_others_is_reloaded_when_all_are() {
    let mut story = Story::new(watched(2));
    story.ready(1);
    story.event(Event::Changed);
    assert_eq!(story.actions, [terminate(2), spawn(3, 1, 1)]);
    story.ready(3);
    let generation = Generation(2);
    assert!(
        story.did(&Action::ReadConfig { generation }),
        "{:?}",
        story.actions
    );
}

#[test]
fn a_waiting_server_stops_when_it_is_told_to() {
    let mut story = Story::new(watched(1));
    story.says(1, SYNTAX_ERROR).exits(1, Exit::Code(4));
    story.signal(Signal::Term);
    assert_eq!(story.actions.last(), Some(&Action::Exit { code: 0 }));
}

#[test]
fn a_reload_that_hangs_is_given_up_for_the_next_change() {
    let mut story = Story::serving(watched(1));
    story.event(Event::Changed);
    story.config(2, watched(1));
    assert_eq!(story.actions, [spawn(2, 0, 2)]);
    story.event(Event::Changed);
    assert!(story.did(&terminate(2)), "{:?}", story.actions);
    assert!(story.reports.iter().any(|report| matches!(
        report,
        Report::ReloadFailed {
            why: ReloadFailure::Overtaken,
            ..
        }
    )));
    let generation = Generation(3);
    assert!(
        story.did(&Action::ReadConfig { generation }),
        "{:?}",
        story.actions
    );
    story.config(3, watched(1));
    assert!(story.did(&spawn(3, 0, 3)), "{:?}", story.actions);
}
