//! Stories of the stop.

use std::time::Duration;

use super::story::*;
use crate::master::supervisor::DrainCause::{Replaced, Shutdown};
use crate::master::supervisor::*;

const STOPPING: Action = Action::Notify(ServiceState::Stopping);

#[test]
fn term_drains_everybody_and_exits_with_0() {
    let mut story = Story::serving(plan(2));
    story.signal(Signal::Term);
    let drains = [drain(1, Shutdown, 30), drain(2, Shutdown, 30)];
    assert_eq!(story.actions[..2], [STOPPING, Action::CloseListeners]);
    assert_eq!(story.actions[2..], drains);
    story.exits(1, Exit::Code(0));
    assert_eq!(story.actions, []);
    assert_eq!(
        story.exits(2, Exit::Code(0)).actions,
        [Action::Exit { code: 0 }]
    );
    assert_eq!(story.signal(Signal::Hup).actions, []);
}

#[test]
fn term_and_a_worker_that_does_not_end_is_stopped_then_killed() {
    let mut story = Story::serving(plan(1));
    story.signal(Signal::Term);
    assert_eq!(story.seconds(29), []);
    assert_eq!(story.seconds(1), [stop_fast(1)]);
    assert_eq!(story.seconds(3), [kill(1, KillReason::Overdue)]);
    assert_eq!(story.exits(1, KILLED).actions, [Action::Exit { code: 0 }]);
}

#[test]
fn term_twice_or_int_makes_it_fast() {
    for second in [Signal::Term, Signal::Int, Signal::Quit] {
        let mut story = Story::serving(plan(2));
        story.signal(Signal::Term).signal(second);
        assert_eq!(story.actions, [stop_fast(1), stop_fast(2)]);
        let overdue = [kill(1, KillReason::Overdue), kill(2, KillReason::Overdue)];
        assert_eq!(story.seconds(3), overdue);
    }
}

#[test]
fn int_stops_fast_at_once() {
    let mut story = Story::serving(plan(1));
    story.signal(Signal::Int);
    assert_eq!(
        story.actions,
        [STOPPING, Action::CloseListeners, stop_fast(1)]
    );
}

#[test]
fn term_during_the_first_boot_acts_at_once() {
    let mut story = Story::new(plan(2));
    story.ready(1).signal(Signal::Term);
    assert!(story.did(&terminate(2)) && story.did(&drain(1, Shutdown, 30)));
    story.exits(
        2,
        Exit::Signal {
            signal: 15,
            core: CoreDump::No,
        },
    );
    assert_eq!(
        story.exits(1, Exit::Code(0)).actions,
        [Action::Exit { code: 0 }]
    );
}

#[test]
fn term_during_a_reload_abandons_it() {
    let mut story = Story::serving(plan(2));
    story
        .control(1, Command::Reload)
        .config(2, plan(2))
        .ready(3)
        .control(2, Command::Reload);
    story.signal(Signal::Term);
    assert!(
        story.did(&stop_fast(3)) && story.did(&terminate(4)),
        "{:?}",
        story.actions
    );
    assert!(story.did(&drain(1, Shutdown, 30)) && story.did(&drain(2, Shutdown, 30)));
    let (generation, why) = (Generation(2), ReloadFailure::Abandoned);
    let first = Action::Reply {
        token: Token(1),
        answer: Answer::ReloadFailed { generation, why },
    };
    let second = Action::Reply {
        token: Token(2),
        answer: Answer::ServerStopping,
    };
    assert!(
        story.did(&first) && story.did(&second),
        "{:?}",
        story.actions
    );
    assert!(!story.did(&Action::Notify(ServiceState::Ready)));
    // One that became ready while SIGTERM was on its way.
    assert_eq!(story.ready(4).actions, [stop_fast(4)]);
}

#[test]
fn term_in_the_middle_of_a_switch_lets_the_new_workers_empty_the_queue() {
    let mut story = Story::serving(plan(1));
    story.signal(Signal::Hup).config(2, plan(1)).ready(2);
    assert_eq!(story.actions, [drain(1, Replaced, 30)]);
    story.signal(Signal::Term);
    let at = |action: &Action| story.actions.iter().position(|a| a == action);
    assert!(at(&go(2)).is_some() && at(&go(2)) < at(&drain(2, Shutdown, 30)));
    assert!(
        story.did(&drain(1, Shutdown, 30)),
        "the old one's idle connections end sooner"
    );
}

#[test]
fn term_with_a_shutdown_delay_goes_on_accepting() {
    let mut story = Story::serving(Plan {
        shutdown_delay: Duration::from_secs(10),
        ..plan(2)
    });
    assert_eq!(story.signal(Signal::Term).actions, [STOPPING]);
    story.exits(2, KILLED);
    assert_eq!(story.actions, [], "nobody is replaced any more");
    let drained = [Action::CloseListeners, drain(1, Shutdown, 30)];
    assert_eq!(story.seconds(10), drained);
}

#[test]
fn term_during_the_shutdown_delay_ends_the_delay_and_another_makes_it_fast() {
    let mut story = Story::serving(Plan {
        shutdown_delay: Duration::from_secs(10),
        ..plan(1)
    });
    story.signal(Signal::Term).signal(Signal::Term);
    let drained = [Action::CloseListeners, drain(1, Shutdown, 30)];
    assert_eq!(story.actions, drained);
    assert_eq!(story.signal(Signal::Term).actions, [stop_fast(1)]);
}

#[test]
fn int_during_the_shutdown_delay_is_fast() {
    let mut story = Story::serving(Plan {
        shutdown_delay: Duration::from_secs(10),
        ..plan(1)
    });
    story.signal(Signal::Term).signal(Signal::Int);
    assert_eq!(story.actions, [Action::CloseListeners, stop_fast(1)]);
}

#[test]
fn control_is_answered_while_stopping() {
    let mut story = Story::serving(plan(1));
    let (token, answer) = (Token(1), Answer::Stopping);
    story.control(1, Command::Stop(StopMode::Graceful));
    assert!(story.did(&Action::Reply { token, answer }));
    let commands = [
        Command::Reload,
        Command::Scale(2),
        Command::RestartWorker(Slot(0)),
    ];
    for (n, command) in (2..).zip(commands) {
        let (token, answer) = (Token(n), Answer::ServerStopping);
        assert_eq!(
            story.control(n, command).actions,
            [Action::Reply { token, answer }]
        );
    }
}
