//! Stories of the reload.

use std::time::Duration;

use super::story::*;
use crate::master::supervisor::DrainCause::Replaced;
use crate::master::supervisor::*;

fn failed(n: u64, story: &mut Story) {
    let phase = BootPhase::Load;
    story.says(n, WorkerMessage::Failed { phase });
}

#[test]
fn reload_switches_when_all_are_ready_and_the_old_stopped_accepting() {
    let mut story = Story::serving(plan(2));
    story.control(7, Command::Reload);
    let generation = Generation(2);
    assert!(story.did(&Action::ReadConfig { generation }));
    story.config(2, plan(2));
    assert_eq!(story.actions, [spawn(3, 0, 2), spawn(4, 1, 2)]);
    assert_eq!(story.ready(4).actions, []);
    story.ready(3);
    assert_eq!(
        story.actions,
        [drain(1, Replaced, 30), drain(2, Replaced, 30)]
    );
    assert_eq!(story.says(1, WorkerMessage::StoppedAccepting).actions, []);
    story.says(2, WorkerMessage::StoppedAccepting);
    let (token, answer) = (Token(7), Answer::Reloaded { generation });
    let ready = Action::Notify(ServiceState::Ready);
    assert_eq!(
        story.actions,
        [go(3), go(4), Action::Reply { token, answer }, ready]
    );
    story.exits(1, Exit::Code(0));
    assert_eq!(story.actions, []);
    let generation = Generation(1);
    assert_eq!(
        story.exits(2, Exit::Code(0)).actions,
        [Action::Forget { generation }]
    );
}

#[test]
fn reload_waits_at_most_a_second_for_old_workers_to_stop_accepting() {
    let mut story = Story::serving(plan(2));
    story
        .signal(Signal::Hup)
        .config(2, plan(2))
        .ready(3)
        .ready(4);
    story.exits(1, KILLED);
    assert!(!story.pass(Duration::from_millis(999)).contains(&go(3)));
    let actions = story.pass(Duration::from_millis(1));
    assert!(
        actions.contains(&go(3)) && actions.contains(&go(4)),
        "{actions:?}"
    );
}

#[test]
fn reload_boots_as_many_as_there_are_cpus() {
    let two = Plan {
        parallel_boots: 2,
        ..plan(3)
    };
    let mut story = Story::serving(two.clone());
    story.signal(Signal::Hup).config(2, two);
    assert_eq!(story.spawned(), [4, 5]);
    assert_eq!(story.ready(5).spawned(), [6]);
}

#[test]
fn reload_bad_code_keeps_the_old_code_serving() {
    let mut story = Story::serving(plan(3));
    story.control(7, Command::Reload).config(2, plan(3));
    story.ready(4);
    failed(5, &mut story);
    let worker = Who {
        incarnation: Incarnation(5),
        slot: Slot(1),
        generation: Generation(2),
    };
    let why = ReloadFailure::Boot {
        worker,
        why: BootFailure::Reported(BootPhase::Load),
    };
    let (generation, token) = (Generation(2), Token(7));
    let answer = Answer::ReloadFailed { generation, why };
    assert_eq!(
        story.actions,
        [
            stop_fast(4),
            terminate(6),
            Action::Reply { token, answer },
            Action::Notify(ServiceState::Ready)
        ]
    );
    assert_eq!(
        story.reports,
        [Report::ReloadFailed {
            generation,
            kind: RolloutKind::Reload,
            why,
            replaced: 0,
            of: 3
        }]
    );
    // The others of the lost generation fail as well: no second report, no spawn.
    failed(6, &mut story);
    assert_eq!((&story.actions, &story.reports), (&vec![], &vec![]));
    story
        .exits(4, Exit::Code(0))
        .exits(5, Exit::Code(4))
        .exits(6, Exit::Code(4));
    assert_eq!(story.actions, [Action::Forget { generation }]);
    assert_eq!(story.supervisor.generation(), Generation(1));
    // The fixed code is taken at the next HUP.
    story.signal(Signal::Hup).config(3, plan(3));
    assert_eq!(story.spawned(), [7, 8, 9]);
}

#[test]
fn reload_bad_config_changes_nothing() {
    let mut story = Story::serving(plan(1));
    story.control(7, Command::Reload);
    let (generation, token) = (Generation(2), Token(7));
    story.event(Event::ConfigRead {
        generation,
        result: ConfigResult::Bad,
    });
    let answer = Answer::ReloadFailed {
        generation,
        why: ReloadFailure::BadConfig,
    };
    assert!(
        story.did(&Action::Reply { token, answer }),
        "{:?}",
        story.actions
    );
    assert!(story.spawned().is_empty());
    // A reader that never answers counts as a bad configuration too, and its late answer is not taken for the next
    // one's.
    story.control(8, Command::Reload);
    let (generation, token) = (Generation(3), Token(8));
    let answer = Answer::ReloadFailed {
        generation,
        why: ReloadFailure::BadConfig,
    };
    assert!(story.seconds(60).contains(&Action::Reply { token, answer }));
    assert_eq!(story.config(3, plan(1)).actions, []);
}

#[test]
fn reload_boot_hang_is_rolled_back() {
    let mut story = Story::serving(plan(2));
    story.signal(Signal::Hup).config(2, plan(2)).ready(3);
    let actions = story.seconds(61);
    assert!(
        actions.contains(&kill(4, KillReason::BootTimeout)),
        "{actions:?}"
    );
    assert!(actions.contains(&stop_fast(3)), "{actions:?}");
    assert!(
        !actions.iter().any(|a| matches!(a, Action::Spawn { .. })),
        "{actions:?}"
    );
}

#[test]
fn reload_crash_of_a_ready_worker_of_the_new_generation_is_rolled_back() {
    let mut story = Story::serving(plan(2));
    story
        .signal(Signal::Hup)
        .config(2, plan(2))
        .ready(3)
        .exits(3, KILLED);
    assert_eq!(
        story.actions,
        [terminate(4), Action::Notify(ServiceState::Ready)]
    );
}

#[test]
fn reload_and_an_old_worker_killed_meanwhile_is_replaced_in_its_generation() {
    let mut story = Story::serving(plan(2));
    story
        .signal(Signal::Hup)
        .config(2, plan(2))
        .exits(1, KILLED);
    assert_eq!(story.actions, [spawn(5, 0, 1)]);
    assert_eq!(story.ready(5).actions, [go(5)]);
    story.ready(3).ready(4);
    assert_eq!(
        story.actions,
        [drain(2, Replaced, 30), drain(5, Replaced, 30)]
    );
}

#[test]
fn reload_worker_killed_in_the_middle_of_the_switch_is_replaced_in_the_new_generation() {
    let mut story = Story::serving(plan(2));
    story
        .signal(Signal::Hup)
        .config(2, plan(2))
        .ready(3)
        .ready(4);
    story.exits(3, KILLED);
    assert_eq!(story.actions, [spawn(5, 0, 2)]);
    story
        .says(1, WorkerMessage::StoppedAccepting)
        .says(2, WorkerMessage::StoppedAccepting);
    assert_eq!(story.actions[0], go(4));
    assert_eq!(story.ready(5).actions, [go(5)]);
}

#[test]
fn reload_during_a_reload_is_remembered_once() {
    let mut story = Story::serving(plan(1));
    story.control(1, Command::Reload).config(2, plan(1));
    story
        .signal(Signal::Hup)
        .control(2, Command::Reload)
        .control(3, Command::Reload);
    assert_eq!(story.actions, []);
    story.ready(2).says(1, WorkerMessage::StoppedAccepting);
    let generation = Generation(3);
    assert!(
        story.did(&Action::ReadConfig { generation }),
        "{:?}",
        story.actions
    );
    story
        .config(3, plan(1))
        .ready(3)
        .says(2, WorkerMessage::StoppedAccepting);
    for token in [Token(2), Token(3)] {
        let answer = Answer::Reloaded { generation };
        assert!(
            story.did(&Action::Reply { token, answer }),
            "{:?}",
            story.actions
        );
    }
    assert!(
        !story
            .actions
            .iter()
            .any(|a| matches!(a, Action::ReadConfig { .. }))
    );
}

#[test]
fn reload_waits_while_two_old_generations_would_drain() {
    let mut story = Story::serving(plan(1));
    story
        .signal(Signal::Hup)
        .config(2, plan(1))
        .ready(2)
        .says(1, WorkerMessage::StoppedAccepting);
    story
        .signal(Signal::Hup)
        .config(3, plan(1))
        .ready(3)
        .says(2, WorkerMessage::StoppedAccepting);
    story.signal(Signal::Hup);
    assert_eq!(story.reports, [Report::ReloadQueued]);
    let read = Action::ReadConfig {
        generation: Generation(4),
    };
    assert!(
        story.exits(1, Exit::Code(0)).did(&read),
        "{:?}",
        story.actions
    );
}

#[test]
fn reload_during_the_first_boot_waits_for_its_end() {
    let mut story = Story::new(plan(2));
    story.ready(1).signal(Signal::Hup);
    assert_eq!(story.reports, [Report::ReloadQueued]);
    let read = Action::ReadConfig {
        generation: Generation(2),
    };
    assert!(story.ready(2).did(&read), "{:?}", story.actions);
}

#[test]
fn reload_takes_the_new_number_of_workers() {
    let mut story = Story::serving(plan(3));
    story.signal(Signal::Hup).config(2, plan(1));
    assert_eq!(story.spawned(), [4]);
    story.ready(4);
    assert_eq!(story.actions, [1, 2, 3].map(|n| drain(n, Replaced, 30)));
    story.seconds(1);
    assert_eq!(story.supervisor.target(), 1);
    story.signal(Signal::Hup).config(3, plan(2));
    assert_eq!(story.supervisor.target(), 1, "not before it is committed");
}

#[test]
fn reload_keeps_an_operators_scaling_unless_the_configured_number_changed() {
    let mut story = Story::serving(plan(1));
    story.signal(Signal::Ttin).ready(2);
    story.signal(Signal::Hup).config(2, plan(1));
    assert_eq!(story.spawned(), [3, 4]);
}

#[test]
fn reload_surge_replaces_a_batch_at_a_time() {
    let one = Plan {
        surge: Some(1),
        ..plan(2)
    };
    let mut story = Story::serving(one.clone());
    story.signal(Signal::Hup).config(2, one);
    assert_eq!(story.actions, [spawn(3, 0, 2)]);
    assert_eq!(story.ready(3).actions, [drain(1, Replaced, 30)]);
    assert_eq!(
        story.says(1, WorkerMessage::StoppedAccepting).actions,
        [go(3), spawn(4, 1, 2)]
    );
    assert_eq!(story.ready(4).actions, [drain(2, Replaced, 30)]);
    story.says(2, WorkerMessage::StoppedAccepting);
    assert_eq!(story.actions, [go(4), Action::Notify(ServiceState::Ready)]);
    assert_eq!(story.supervisor.generation(), Generation(2));
}

#[test]
fn reload_surge_stops_where_a_later_batch_fails() {
    let one = Plan {
        surge: Some(1),
        ..plan(2)
    };
    let mut story = Story::serving(one.clone());
    story
        .signal(Signal::Hup)
        .config(2, one)
        .ready(3)
        .says(1, WorkerMessage::StoppedAccepting);
    failed(4, &mut story);
    let halted = |r: &Report| {
        matches!(
            r,
            Report::ReloadFailed {
                replaced: 1,
                of: 2,
                ..
            }
        )
    };
    assert!(story.reports.iter().any(halted), "{:?}", story.reports);
    // Each slot keeps the generation that it has.
    assert_eq!(story.exits(3, KILLED).actions, [spawn(5, 0, 2)]);
    assert_eq!(story.exits(2, KILLED).actions, [spawn(6, 1, 1)]);
}

#[test]
fn reload_surge_stops_when_the_canary_dies() {
    let one = Plan {
        surge: Some(1),
        ..plan(2)
    };
    let mut story = Story::serving(one.clone());
    story
        .signal(Signal::Hup)
        .config(2, one)
        .ready(3)
        .says(1, WorkerMessage::StoppedAccepting);
    story.exits(3, Exit::Code(1));
    assert!(
        story.did(&terminate(4)) && story.did(&spawn(5, 0, 2)),
        "{:?}",
        story.actions
    );
}
