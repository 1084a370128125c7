//! Stories of operators who scale, retire and restart workers.

use super::story::*;
use crate::master::supervisor::DrainCause::Replaced;
use crate::master::supervisor::*;

#[test]
fn scale_up_and_down_by_signal() {
    let mut story = Story::serving(plan(1));
    assert_eq!(story.signal(Signal::Ttin).actions, [spawn(2, 1, 1)]);
    assert_eq!(story.ready(2).actions, [go(2)]);
    assert_eq!(story.signal(Signal::Ttou).actions, [drain(2, Replaced, 30)]);
    assert_eq!(story.exits(2, Exit::Code(0)).actions, []);
    assert_eq!(story.signal(Signal::Ttou).actions, [], "never below one");
}

#[test]
fn scale_down_does_not_take_the_only_worker_that_serves() {
    let mut story = Story::serving(plan(2));
    story.exits(1, KILLED).signal(Signal::Ttou);
    assert_eq!(story.actions, []);
    assert_eq!(story.ready(3).actions, [go(3), drain(2, Replaced, 30)]);
}

#[test]
fn scale_by_command() {
    let mut story = Story::serving(plan(2));
    let token = Token(1);
    story.control(1, Command::Scale(4));
    let answer = Answer::Scaled { from: 2, to: 4 };
    assert_eq!(
        story.actions,
        [
            Action::Reply { token, answer },
            spawn(3, 2, 1),
            spawn(4, 3, 1)
        ]
    );
    story.control(1, Command::Scale(1));
    let gone = [terminate(4), terminate(3), drain(2, Replaced, 30)];
    assert_eq!(story.actions[1..], gone);
    let answer = Answer::TooFew;
    assert_eq!(
        story.control(1, Command::Scale(0)).actions,
        [Action::Reply { token, answer }]
    );
    let answer = Answer::TooMany { most: 1024 };
    assert_eq!(
        story.control(1, Command::Scale(1025)).actions,
        [Action::Reply { token, answer }]
    );
}

#[test]
fn scale_beyond_what_the_server_can_have_is_refused_in_every_way() {
    let most = Plan {
        most_workers: 2,
        ..plan(2)
    };
    let mut story = Story::serving(most.clone());
    assert_eq!(story.signal(Signal::Ttin).actions, []);
    assert_eq!(story.reports, [Report::TooManyWorkers { most: 2 }]);
    // Also during a reload, for the new generation.
    story.signal(Signal::Hup).config(2, most);
    story.signal(Signal::Ttin).ready(3).ready(4);
    assert_eq!(story.supervisor.target(), 2);
}

#[test]
fn scale_during_a_reload_counts_for_whichever_generation_stays() {
    let mut story = Story::serving(plan(2));
    story
        .signal(Signal::Hup)
        .config(2, plan(2))
        .signal(Signal::Ttin);
    assert_eq!(
        story.actions,
        [spawn(5, 2, 2)],
        "only in the generation that comes"
    );
    story.exits(5, Exit::Code(4));
    assert_eq!(
        story.spawned(),
        [6],
        "it is rolled back, and the old one gets its third worker"
    );
    assert_eq!(story.supervisor.target(), 3);
    story
        .ready(6)
        .signal(Signal::Hup)
        .config(3, plan(2))
        .signal(Signal::Ttou);
    assert_eq!(story.actions, [drain(6, Replaced, 30), terminate(9)]);
}

#[test]
fn retired_worker_is_drained_when_its_replacement_is_ready() {
    let mut story = Story::serving(plan(2));
    story.done_enough(1);
    assert_eq!(story.actions, [spawn(3, 0, 1)]);
    let excess = Excess {
        why: Retirement::Requests,
        value: 1000,
        limit: 1000,
    };
    let reported = |report: &Report| matches!(report, Report::Retiring { excess: Some(found), .. } if *found == excess);
    assert!(story.reports.iter().any(reported), "{:?}", story.reports);
    story.done_enough(2);
    story.done_enough(1);
    assert_eq!(story.actions, [], "one at a time, each once");
    assert_eq!(story.ready(3).actions, [drain(1, Replaced, 30), go(3)]);
    assert_eq!(story.exits(1, Exit::Code(0)).actions, [spawn(4, 1, 1)]);
}

#[test]
fn retired_worker_goes_on_serving_while_its_replacement_fails() {
    let mut story = Story::serving(plan(1));
    story.done_enough(1);
    story.exits(2, Exit::Code(4)).exits(3, Exit::Code(4));
    assert_eq!(story.actions, []);
    assert_eq!(story.seconds(1), [spawn(4, 0, 1)]);
    // It dies while its replacement boots: that one becomes its successor.
    assert_eq!(story.exits(1, KILLED).actions, []);
    assert_eq!(story.ready(4).actions, [go(4)]);
}

#[test]
fn retirement_waits_for_a_reload() {
    let mut story = Story::serving(plan(1));
    story.done_enough(1);
    assert_eq!(story.spawned(), [2]);
    story.signal(Signal::Hup).config(2, plan(1));
    assert_eq!(story.actions, [terminate(2), spawn(3, 0, 2)]);
    story.exits(3, Exit::Code(4));
    assert_eq!(
        story.spawned(),
        [4],
        "the reload failed: the old worker is still to be retired"
    );
}

#[test]
fn restart_worker_is_answered_when_its_successor_serves() {
    let mut story = Story::serving(plan(2));
    let (token, slot) = (Token(1), Slot(1));
    story.control(1, Command::RestartWorker(slot));
    assert_eq!(story.actions, [spawn(3, 1, 1)]);
    story.ready(3);
    let answer = Answer::WorkerReplaced { slot };
    assert_eq!(
        story.actions,
        [
            drain(2, Replaced, 30),
            go(3),
            Action::Reply { token, answer }
        ]
    );
    let (slot, answer) = (Slot(9), Answer::NoSuchSlot { slot: Slot(9) });
    story.control(1, Command::RestartWorker(slot));
    assert_eq!(story.actions, [Action::Reply { token, answer }]);
}

#[test]
fn restart_worker_that_cannot_boot_leaves_the_old_one() {
    let mut story = Story::serving(plan(1));
    let (token, slot) = (Token(1), Slot(0));
    story
        .control(1, Command::RestartWorker(slot))
        .exits(2, Exit::Code(4));
    let why = BootFailure::Exited(Exit::Code(4));
    let answer = Answer::RestartFailed { slot, why };
    assert_eq!(story.actions, [Action::Reply { token, answer }]);
    assert!(matches!(
        story.reports[0],
        Report::BootFailed {
            retry: Retry::None,
            ..
        }
    ));
    assert_eq!(story.seconds(60), []);
}

#[test]
fn restart_worker_ends_the_pause_of_a_slot_that_fails() {
    let mut story = Story::serving(plan(1));
    story
        .exits(1, KILLED)
        .exits(2, Exit::Code(4))
        .exits(3, Exit::Code(4));
    assert_eq!(story.actions, []);
    assert_eq!(
        story.control(1, Command::RestartWorker(Slot(0))).spawned(),
        [4]
    );
}

#[test]
fn usr1_reopens_the_logs_and_winch_does_nothing() {
    let mut story = Story::serving(plan(1));
    assert_eq!(story.signal(Signal::Usr1).actions, [Action::ReopenLogs]);
    assert_eq!(story.signal(Signal::Winch).actions, []);
}

#[test]
fn messages_of_the_dead_are_harmless() {
    let mut story = Story::serving(plan(1));
    story
        .exits(1, KILLED)
        .ready(1)
        .says(1, WorkerMessage::StoppedAccepting)
        .exits(1, KILLED);
    assert_eq!(story.actions, []);
}
