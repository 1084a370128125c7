//! Stories of workers that die, hang or crash again and again.

use std::time::Duration;

use super::story::*;
use crate::master::supervisor::*;

fn delay_of(story: &Story) -> Duration {
    let retry = story.reports.iter().find_map(|report| match report {
        Report::BootFailed { retry, .. } | Report::WorkerDied { retry, .. } => Some(*retry),
        _ => None,
    });
    match retry {
        Some(Retry::AtOnce) => Duration::ZERO,
        Some(Retry::Paced { delay, .. }) => delay,
        Some(Retry::AtNextChange | Retry::None) | None => panic!("no retry: {:?}", story.reports),
    }
}

#[test]
fn worker_killed_is_replaced_at_once() {
    let mut story = Story::serving(plan(2));
    assert_eq!(story.exits(2, KILLED).actions, [spawn(3, 1, 1)]);
    story.ready(3).exits(3, KILLED);
    assert_eq!(story.actions, [spawn(4, 1, 1)]);
}

#[test]
fn worker_that_leaves_unasked_is_replaced_and_reported() {
    let mut story = Story::serving(plan(1));
    story.seconds(10);
    assert_eq!(story.exits(1, Exit::Code(0)).actions, [spawn(2, 0, 1)]);
    assert!(matches!(
        story.reports[0],
        Report::WorkerDied {
            exit: Exit::Code(0),
            ..
        }
    ));
}

#[test]
fn crash_loop_is_paced_up_to_thirty_seconds() {
    let mut story = Story::serving(plan(1));
    story.exits(1, KILLED);
    for (n, seconds) in (2..).zip([0, 1, 2, 4, 8, 16, 30, 30, 30]) {
        story.exits(n, Exit::Code(4));
        let delay = Duration::from_secs(seconds);
        assert_eq!(delay_of(&story), delay);
        if seconds > 0 {
            assert!(story.spawned().is_empty());
            story.pass(delay);
        }
        assert_eq!(story.spawned(), [n + 1]);
    }
}

#[test]
fn crash_loop_after_ready_is_paced() {
    let segv = Exit::Signal {
        signal: 11,
        core: CoreDump::Written,
    };
    for exit in [Exit::Code(1), Exit::Code(0), segv] {
        let mut story = Story::serving(plan(1));
        story.exits(1, exit);
        assert_eq!(delay_of(&story), Duration::ZERO);
        story.ready(2).exits(2, exit);
        assert_eq!(delay_of(&story), Duration::from_secs(1));
    }
}

#[test]
fn crash_loop_is_forgotten_after_ten_seconds_of_health() {
    let mut story = Story::serving(plan(1));
    story
        .exits(1, KILLED)
        .exits(2, Exit::Code(4))
        .exits(3, Exit::Code(4));
    story.seconds(1);
    story.ready(4);
    for _ in 0..10 {
        story.seconds(1);
    }
    story.exits(4, KILLED).exits(5, Exit::Code(4));
    assert_eq!(delay_of(&story), Duration::ZERO);
}

#[test]
fn boot_killed_from_outside_is_replaced_at_once_twice_and_never_waits_long() {
    let mut story = Story::serving(plan(1));
    story.exits(1, KILLED);
    for (n, seconds) in (2..).zip([0, 0, 0, 1, 2, 2, 2]) {
        story.exits(n, KILLED);
        let delay = Duration::from_secs(seconds);
        assert_eq!(delay_of(&story), delay, "boot {n}");
        story.pass(delay);
    }
}

#[test]
fn boots_killed_over_hours_of_health_do_not_add_up() {
    let mut story = Story::serving(plan(1));
    let mut serving = 1;
    for _ in 0..100 {
        for _ in 0..10 {
            story.seconds(1);
        }
        story.exits(serving, KILLED).exits(serving + 1, KILLED);
        assert_eq!(story.spawned(), [serving + 2]);
        story.exits(serving + 2, KILLED);
        assert_eq!(story.spawned(), [serving + 3]);
        serving += 3;
        story.ready(serving);
    }
}

#[test]
fn replacement_that_fails_is_paced_anew_once_the_old_worker_was_well_since() {
    let mut story = Story::serving(plan(1));
    story.exits(1, KILLED).exits(2, Exit::Code(4));
    story.exits(3, Exit::Code(4));
    story.seconds(1);
    story.ready(4);
    for _ in 0..10 {
        story.seconds(1);
    }
    story.control(1, Command::RestartWorker(Slot(0)));
    story.exits(5, Exit::Code(4));
    let retry = |story: &Story| match story.reports[0] {
        Report::BootFailed { .. } => story.supervisor.server.places[&Slot(0)].pacing.failures,
        report => panic!("{report:?}"),
    };
    assert_eq!(retry(&story), 1);
    // The old worker keeps serving; that it was healthy before does not excuse the next failure.
    story.control(2, Command::RestartWorker(Slot(0)));
    story.exits(6, Exit::Code(4));
    assert_eq!(retry(&story), 2);
}

#[test]
fn worker_killed_while_code_is_broken_leaves_the_others_serving_for_ever() {
    let mut story = Story::serving(plan(2));
    story.exits(1, KILLED);
    let mut newest = 3;
    for _ in 0..600 {
        story.exits(newest, Exit::Code(4));
        story.seconds(30);
        newest = story
            .supervisor
            .workers()
            .map(|w| w.who.incarnation.0)
            .max()
            .unwrap_or(0);
    }
    assert!(newest > 100, "still trying: {newest}");
    assert!(story.supervisor.is_up());
}

#[test]
fn all_workers_failing_is_said_once_and_never_ends_the_master() {
    let mut story = Story::serving(plan(2));
    story.exits(1, KILLED).exits(2, KILLED);
    story.exits(3, Exit::Code(4));
    assert!(!story.reports.contains(&Report::AllFailing));
    story.exits(4, Exit::Code(4));
    assert!(story.reports.contains(&Report::AllFailing));
    story.exits(5, Exit::Code(4)).exits(6, Exit::Code(4));
    assert!(!story.reports.contains(&Report::AllFailing));
    assert!(
        !story
            .seconds(30)
            .iter()
            .any(|a| matches!(a, Action::Exit { .. }))
    );
    assert_eq!(story.ready(7).actions, [go(7)]);
}

#[test]
fn fork_that_fails_is_retried_paced() {
    let mut story = Story::serving(plan(1));
    story.exits(1, KILLED);
    story.event(Event::SpawnFailed {
        incarnation: Incarnation(2),
    });
    assert_eq!(story.spawned(), [3]);
    story.event(Event::SpawnFailed {
        incarnation: Incarnation(3),
    });
    assert_eq!(delay_of(&story), Duration::from_secs(1));
}

#[test]
fn boot_hang_of_a_replacement_is_killed_and_retried() {
    let mut story = Story::serving(plan(1));
    story.exits(1, KILLED);
    let incarnation = Incarnation(2);
    assert_eq!(story.seconds(60), [Action::DumpStacks { incarnation }]);
    assert_eq!(story.pass(Duration::from_millis(999)), []);
    assert_eq!(
        story.pass(Duration::from_millis(1)),
        [kill(2, KillReason::BootTimeout), spawn(3, 0, 1)]
    );
}

#[test]
fn boot_that_takes_too_long_is_killed_as_soon_as_its_stacks_are_printed() {
    let mut story = Story::serving(plan(1));
    story.exits(1, KILLED);
    story.seconds(60);
    let incarnation = Incarnation(2);
    story.event(Event::StacksDumped { incarnation });
    assert_eq!(
        story.actions,
        [kill(2, KillReason::BootTimeout), spawn(3, 0, 1)]
    );
}

#[test]
fn worker_that_becomes_ready_while_its_stacks_are_printed_serves() {
    let mut story = Story::serving(plan(1));
    story.exits(1, KILLED);
    story.seconds(60);
    assert_eq!(story.ready(2).actions, [go(2)]);
    let incarnation = Incarnation(2);
    story.event(Event::StacksDumped { incarnation });
    assert_eq!(story.actions, []);
    assert_eq!(story.pass(Duration::from_secs(1)), []);
}

#[test]
fn hung_worker_prints_its_stacks_is_replaced_and_killed() {
    let mut story = Story::serving(plan(1));
    for second in 1..=31 {
        story.seconds(1);
        let age = Duration::from_secs(second);
        story.beat(1, age);
        if second <= 30 {
            assert_eq!(story.actions, []);
        }
    }
    let incarnation = Incarnation(1);
    assert_eq!(
        story.actions,
        [Action::DumpStacks { incarnation }, spawn(2, 0, 1)]
    );
    assert_eq!(story.pass(Duration::from_millis(999)), []);
    assert_eq!(
        story.pass(Duration::from_millis(1)),
        [kill(1, KillReason::Hung)]
    );
    assert_eq!(story.exits(1, KILLED).actions, []);
}

#[test]
fn hung_worker_is_killed_as_soon_as_its_stacks_are_printed() {
    let mut story = Story::serving(plan(1));
    for _ in 0..31 {
        story.seconds(1);
    }
    let incarnation = Incarnation(1);
    story.beat(1, Duration::from_secs(31));
    story.event(Event::StacksDumped { incarnation });
    assert_eq!(story.actions, [kill(1, KillReason::Hung)]);
}

#[test]
fn suspended_master_kills_nobody_when_it_wakes_up() {
    let mut story = Story::serving(plan(1));
    story.seconds(5);
    story.now = story.now + Duration::from_secs(3600);
    story.event(Event::Timeout);
    assert!(matches!(story.reports[0], Report::Suspended { .. }));
    let age = Duration::from_secs(3600);
    story.beat(1, age);
    assert_eq!(story.actions, []);
    assert!(story.supervisor.next_timeout() > Some(story.now));
    // One that really hangs is still detected.
    for _ in 0..32 {
        story.seconds(1);
    }
    let age = Duration::from_secs(3632);
    story.beat(1, age);
    assert_eq!(story.spawned(), [2]);
}

#[test]
fn suspended_first_boot_gets_its_whole_boot_timeout() {
    let mut story = Story::new(plan(1));
    story.seconds(1);
    story.now = story.now + Duration::from_secs(3600);
    assert_eq!(story.event(Event::Timeout).actions, []);
    assert_eq!(story.seconds(50), []);
    assert_eq!(story.ready(1).actions[0], go(1));
}
