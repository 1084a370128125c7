//! Stories of the processes beside the workers, and of hooks in a worker that hangs.

use std::time::Duration;

use super::story::*;
use crate::master::supervisor::*;

const MONITOR: Helper = Helper::Monitor;

fn with_helpers() -> Plan {
    Plan {
        helpers: vec![Helper::Monitor, Helper::Watcher],
        ..plan(1)
    }
}

fn start(helper: Helper) -> Action {
    Action::StartHelper { helper }
}

fn ended(helper: Helper, end: HelperEnd) -> Event {
    Event::HelperEnded { helper, end }
}

#[test]
fn helpers_are_started_before_the_first_worker() {
    let story = Story::new(with_helpers());
    assert_eq!(
        story.actions,
        [start(Helper::Watcher), start(MONITOR), spawn(1, 0, 1)]
    );
}

#[test]
fn helper_that_fails_is_paced_like_a_worker() {
    let mut story = Story::serving(with_helpers());
    for seconds in [0, 1, 2, 4, 8, 16, 30, 30] {
        story.event(ended(MONITOR, HelperEnd::Failed));
        if seconds > 0 {
            assert_eq!(story.actions, []);
            let actions = story.pass(Duration::from_secs(seconds));
            assert_eq!(actions, [start(MONITOR)]);
        } else {
            assert_eq!(story.actions, [start(MONITOR)]);
        }
    }
    for _ in 0..10 {
        story.seconds(1);
    }
    story.event(ended(MONITOR, HelperEnd::Failed));
    assert_eq!(story.actions, [start(MONITOR)]);
}

#[test]
fn helper_that_is_renewed_or_killed_is_started_at_once() {
    let mut story = Story::serving(with_helpers());
    for end in [
        HelperEnd::Renewed,
        HelperEnd::Killed,
        HelperEnd::Killed,
        HelperEnd::Renewed,
    ] {
        story.event(ended(Helper::Watcher, end));
        assert_eq!(story.actions, [start(Helper::Watcher)]);
    }
}

#[test]
fn helper_without_a_heartbeat_for_ten_seconds_is_killed_and_replaced() {
    let mut story = Story::serving(with_helpers());
    let beat = |age| Event::HelperBeat {
        helper: MONITOR,
        age: Duration::from_secs(age),
    };
    for _ in 0..20 {
        story.seconds(1);
    }
    assert_eq!(story.event(beat(0)).actions, []);
    story.pass(Duration::from_secs(10));
    assert_eq!(story.event(beat(10)).actions, []);
    story.seconds(1);
    story.event(beat(11));
    assert_eq!(story.actions, [Action::KillHelper { helper: MONITOR }]);
    let age = Duration::from_secs(11);
    let helper = MONITOR;
    assert_eq!(story.reports, [Report::HelperHung { helper, age }]);
    story.seconds(1);
    assert_eq!(story.event(beat(12)).actions, []);
    story.event(ended(MONITOR, HelperEnd::Failed));
    assert_eq!(story.actions, [start(MONITOR)]);
}

#[test]
fn helper_is_not_judged_by_the_heartbeat_of_the_one_before() {
    let mut story = Story::serving(with_helpers());
    story.pass(Duration::from_secs(20));
    story.event(ended(MONITOR, HelperEnd::Renewed));
    let age = Duration::from_secs(15);
    let helper = MONITOR;
    assert_eq!(story.event(Event::HelperBeat { helper, age }).actions, []);
}

#[test]
fn suspended_machine_lets_no_helper_look_hung() {
    let mut story = Story::serving(with_helpers());
    let helper = MONITOR;
    story.pass(Duration::from_secs(5));
    let age = Duration::from_millis(500);
    story.event(Event::HelperBeat { helper, age });
    story.now = story.now + Duration::from_secs(3600);
    story.event(Event::Timeout);
    let age = Duration::from_secs(3601);
    assert_eq!(story.event(Event::HelperBeat { helper, age }).actions, []);
}

/// It has started slowly: its only heartbeat is from just before the machine was suspended.
#[test]
fn suspended_machine_lets_no_helper_look_hung_that_was_not_seen_before() {
    let mut story = Story::serving(with_helpers());
    let helper = MONITOR;
    story.seconds(13);
    story.now = story.now + Duration::from_secs(40);
    story.event(Event::Timeout);
    let beat = |age| Event::HelperBeat {
        helper,
        age: Duration::from_secs(age),
    };
    assert_eq!(story.event(beat(40)).actions, []);
    // If no other one follows, it hangs.
    story.seconds(10);
    assert_eq!(story.event(beat(50)).actions, []);
    story.seconds(1);
    assert!(story.event(beat(51)).did(&Action::KillHelper { helper }));
}

#[test]
fn signals_are_served_while_the_last_hook_runs() {
    let mut story = Story::serving(with_helpers());
    story.last_hook = LastHook::Runs;
    story.signal(Signal::Term).exits(1, Exit::Code(0));
    assert_eq!(story.actions, [Action::EndHelpers]);
    // No helper is restarted any more.
    assert_eq!(story.event(ended(MONITOR, HelperEnd::Killed)).actions, []);
    assert_eq!(story.signal(Signal::Usr1).actions, [Action::ReopenLogs]);
    assert_eq!(story.seconds(4), []);
    assert_eq!(
        story.signal(Signal::Int).actions,
        [Action::Exit { code: 0 }]
    );
}

#[test]
fn last_hook_that_does_not_end_is_left_after_five_seconds() {
    let mut story = Story::serving(plan(1));
    story.last_hook = LastHook::Runs;
    story.signal(Signal::Int).exits(1, Exit::Code(0));
    let mut reports = vec![];
    let mut actions = vec![];
    for _ in 0..5 {
        actions.extend(story.seconds(1));
        reports.append(&mut story.reports);
    }
    assert_eq!(actions, [Action::Exit { code: 0 }]);
    assert!(matches!(reports[..], [Report::HelpersLate { .. }]));
}

#[test]
fn last_hook_has_what_is_left_of_the_graceful_timeout() {
    let short = |seconds| Plan {
        graceful_timeout: Duration::from_secs(seconds),
        ..plan(1)
    };
    for (signal, drained_after, left) in [
        (Signal::Term, 0, 2_000),
        (Signal::Int, 0, 2_000),
        (Signal::Term, 1, 1_000),
        (Signal::Term, 2, 500),
    ] {
        let mut story = Story::serving(short(2));
        story.last_hook = LastHook::Runs;
        story.signal(signal);
        story.pass(Duration::from_secs(drained_after));
        story.exits(1, Exit::Code(0));
        assert_eq!(story.actions.last(), Some(&Action::EndHelpers));
        story.reports.clear();
        assert_eq!(story.pass(Duration::from_millis(left - 1)), []);
        assert_eq!(
            story.pass(Duration::from_millis(1)),
            [Action::Exit { code: 0 }]
        );
        let after = Duration::from_millis(left);
        assert_eq!(story.reports, [Report::HelpersLate { after }]);
    }
}

#[test]
fn hung_worker_gets_a_second_for_its_abort_hook() {
    let aborts = Plan {
        abort: Abort::First,
        ..plan(1)
    };
    for in_vain in [true, false] {
        let mut story = Story::serving(aborts.clone());
        for _ in 0..31 {
            story.seconds(1);
        }
        let incarnation = Incarnation(1);
        story.beat(1, Duration::from_secs(31));
        assert_eq!(story.spawned(), [2]);
        story.event(Event::StacksDumped { incarnation });
        assert_eq!(story.actions, [Action::Abort { incarnation }]);
        if in_vain {
            story.event(Event::AbortInVain { incarnation });
            assert_eq!(story.actions, [kill(1, KillReason::Hung)]);
        } else {
            assert_eq!(story.seconds(1), [kill(1, KillReason::Hung)]);
        }
        assert_eq!(story.exits(1, KILLED).actions, []);
    }
}
