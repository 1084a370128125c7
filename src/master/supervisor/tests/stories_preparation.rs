//! Stories of the commands that run before the first boot.

use std::time::Duration;

use super::story::*;
use crate::master::supervisor::*;

const STOPPING: Action = Action::Notify(ServiceState::Stopping);

fn prepared(preparations: u32) -> Plan {
    Plan {
        preparations,
        preparation_timeout: Some(Duration::from_secs(60)),
        ..plan(1)
    }
}

fn ended(step: u32, code: u8) -> Event {
    Event::Prepared { step, code }
}

fn passed_on(signal: Signal) -> Action {
    Action::SignalPreparation { signal }
}

#[test]
fn one_after_the_other_then_the_workers() {
    let mut story = Story::new(prepared(2));
    assert_eq!(story.actions, [Action::Prepare { step: 0 }]);
    assert_eq!(
        story.event(ended(0, 0)).actions,
        [Action::Prepare { step: 1 }]
    );
    assert_eq!(story.event(ended(1, 0)).actions, [spawn(1, 0, 1)]);
    assert!(story.ready(1).did(&go(1)) && story.supervisor.is_up());
}

#[test]
fn a_failure_ends_the_server_with_its_code() {
    let mut story = Story::new(prepared(2));
    story.event(ended(0, 7));
    assert_eq!(
        story.reports,
        [Report::PreparationFailed { step: 0, code: 7 }]
    );
    let end = [STOPPING, Action::CloseListeners, Action::Exit { code: 7 }];
    assert_eq!(story.actions, end);
}

#[test]
fn one_that_takes_too_long_is_told_then_killed() {
    let mut story = Story::new(prepared(1));
    assert_eq!(story.seconds(59), []);
    assert_eq!(story.seconds(1), [STOPPING, passed_on(Signal::Term)]);
    assert_eq!(story.reports, [Report::PreparationTimedOut { step: 0 }]);
    assert_eq!(story.seconds(30), [Action::KillPreparation]);
    story.event(ended(0, 137));
    assert_eq!(
        story.actions,
        [Action::CloseListeners, Action::Exit { code: 124 }]
    );
}

#[test]
fn term_reaches_it_and_its_end_is_waited_for() {
    let mut story = Story::new(prepared(2));
    assert_eq!(
        story.signal(Signal::Term).actions,
        [STOPPING, passed_on(Signal::Term)]
    );
    assert_eq!(story.seconds(29), []);
    assert_eq!(
        story.event(ended(0, 143)).actions,
        [Action::CloseListeners, Action::Exit { code: 0 }]
    );
}

#[test]
fn a_second_signal_shortens_the_wait() {
    for second in [Signal::Term, Signal::Int, Signal::Quit] {
        let mut story = Story::new(prepared(1));
        story.signal(Signal::Term);
        assert_eq!(story.signal(second).actions, [passed_on(second)]);
        assert_eq!(story.seconds(3), [Action::KillPreparation]);
    }
}

#[test]
fn hup_waits_for_the_first_boot() {
    let mut story = Story::new(prepared(1));
    assert_eq!(story.signal(Signal::Hup).actions, []);
    story.event(ended(0, 0)).ready(1);
    assert!(
        story.did(&Action::ReadConfig {
            generation: Generation(2)
        }),
        "{:?}",
        story.actions
    );
}

#[test]
fn ttin_during_it_counts_for_the_boot() {
    let mut story = Story::new(prepared(1));
    story.signal(Signal::Ttin);
    assert_eq!(story.event(ended(0, 0)).spawned(), [1, 2]);
}
