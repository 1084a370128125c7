//! Stories of canaries: some slots of a new generation, judged by an operator, by time, or by their requests.

use std::time::Duration;

use super::story::*;
use crate::master::supervisor::DrainCause::Replaced;
use crate::master::supervisor::*;

const SECOND: Generation = Generation(2);

fn canary(slots: u32) -> Command {
    Command::Canary(Trial {
        portion: Portion::Slots(slots),
        lasts: None,
        judged: None,
    })
}

fn judged(slots: u32, seconds: u64) -> Command {
    Command::Canary(Trial {
        portion: Portion::Slots(slots),
        lasts: Some(Duration::from_secs(seconds)),
        judged: Some(100),
    })
}

/// Three workers, and a canary in slot 0: incarnation 4. Incarnation 1 is paused.
fn with_canary(command: Command) -> Story {
    let mut story = Story::serving(plan(3));
    story.control(7, command).config(2, plan(3));
    assert_eq!(story.actions, [spawn(4, 0, 2)]);
    assert_eq!(story.ready(4).actions, [pause(1)]);
    story.says(1, WorkerMessage::StoppedAccepting);
    assert!(story.did(&go(4)), "{:?}", story.actions);
    story
}

fn compared(story: &mut Story, requests: u64, errors: u64) {
    let figures = |requests, errors| {
        Box::new(Figures {
            requests,
            errors,
            ..Figures::default()
        })
    };
    story.event(Event::Compared {
        canary: SECOND,
        old: figures(1000, 1),
        new: figures(requests, errors),
    });
}

#[test]
fn canary_takes_its_slots_and_the_others_serve_on() {
    let mut story = with_canary(canary(1));
    let (generation, slots, of) = (SECOND, 1, 3);
    let answer = Answer::CanaryServes {
        generation,
        slots,
        of,
    };
    assert_eq!(answered(&story, 7), Some(answer));
    assert_eq!(story.seconds(3600), []);
    // A worker that dies is replaced in the generation of its slot.
    assert_eq!(story.exits(4, KILLED).actions, [spawn(5, 0, 2)]);
    assert_eq!(story.ready(5).actions, [go(5)]);
    assert_eq!(story.exits(2, KILLED).actions, [spawn(6, 1, 1)]);
}

#[test]
fn canary_is_promoted() {
    let mut story = with_canary(canary(1));
    story.control(8, Command::Promote);
    assert_eq!(story.spawned(), [5, 6]);
    story.ready(5).ready(6);
    assert_eq!(
        story.actions,
        [
            drain(2, Replaced, 30),
            drain(3, Replaced, 30),
            // The worker that was paused for it is no longer needed.
            drain(1, Replaced, 30)
        ]
    );
    story.seconds(1);
    let generation = SECOND;
    let answer = Answer::Reloaded { generation };
    assert_eq!(answered(&story, 8), Some(answer));
    assert_eq!(story.supervisor.generation(), SECOND);
}

#[test]
fn canary_is_taken_back_without_a_boot() {
    let mut story = with_canary(canary(1));
    story.control(8, Command::Discard);
    assert_eq!(
        story.actions,
        [
            Action::Notify(ServiceState::Reloading),
            drain(4, Replaced, 30)
        ]
    );
    story.says(4, WorkerMessage::StoppedAccepting);
    let answer = Answer::TakenBack {
        generation: SECOND,
        to: Generation(1),
        why: ReloadFailure::Discarded,
    };
    assert!(story.did(&go(1)), "{:?}", story.actions);
    assert_eq!(answered(&story, 8), Some(answer));
    story.exits(4, Exit::Code(0));
    assert_eq!(
        story.actions,
        [Action::Forget { generation: SECOND }],
        "nobody boots"
    );
    assert_eq!(story.exits(1, KILLED).actions, [spawn(5, 0, 1)]);
}

#[test]
fn canary_that_crashes_is_taken_back() {
    let mut story = with_canary(canary(1));
    story.exits(4, Exit::Code(1));
    let taking = |report: &Report| matches!(report, Report::TakingBack { .. });
    assert!(story.reports.iter().any(taking), "{:?}", story.reports);
    assert!(story.did(&go(1)), "{:?}", story.actions);
}

#[test]
fn canary_of_a_stage_leaves_the_rest_staged() {
    let mut story = Story::serving(plan(2));
    story.control(7, Command::Stage).config(2, plan(2));
    story.ready(3).ready(4).control(8, canary(1));
    assert!(story.did(&pause(1)), "{:?}", story.actions);
    story.says(1, WorkerMessage::StoppedAccepting);
    assert!(
        story.did(&go(3)) && !story.did(&go(4)),
        "{:?}",
        story.actions
    );
    story.control(9, Command::Promote);
    assert_eq!(story.spawned(), [0; 0], "it is ready");
    assert!(story.did(&drain(2, Replaced, 30)), "{:?}", story.actions);
}

#[test]
fn canary_grows_and_does_not_shrink() {
    let mut story = with_canary(canary(1));
    story.control(8, canary(1));
    let refusal = RolloutRefusal::NotMore { slots: 1 };
    assert_eq!(answered(&story, 8), Some(Answer::Refused(refusal)));
    story.control(9, canary(2));
    assert_eq!(story.spawned(), [5]);
    assert_eq!(story.ready(5).actions, [pause(2)]);
    story.says(2, WorkerMessage::StoppedAccepting);
    let (generation, slots, of) = (SECOND, 2, 3);
    let answer = Answer::CanaryServes {
        generation,
        slots,
        of,
    };
    assert_eq!(answered(&story, 9), Some(answer));
    story.control(10, Command::Rollback).seconds(1);
    assert!(
        story.did(&go(1)) && story.did(&go(2)),
        "{:?}",
        story.actions
    );
}

#[test]
fn canary_ends_with_its_time_unless_it_is_promoted() {
    let mut story = with_canary(Command::Canary(Trial {
        portion: Portion::Percent(10),
        lasts: Some(Duration::from_secs(60)),
        judged: None,
    }));
    assert_eq!(story.seconds(59), []);
    let actions = story.seconds(3);
    assert!(
        actions.contains(&drain(4, Replaced, 30)) && actions.contains(&go(1)),
        "{actions:?}"
    );
}

#[test]
fn canary_that_is_worse_is_taken_back_at_once() {
    let mut story = with_canary(judged(1, 60));
    assert_eq!(answered(&story, 7), None, "the caller waits");
    compared(&mut story, 99, 50);
    assert_eq!(story.actions, [], "too few to judge");
    compared(&mut story, 100, 50);
    assert!(story.did(&drain(4, Replaced, 30)), "{:?}", story.actions);
    story.says(4, WorkerMessage::StoppedAccepting);
    assert!(
        matches!(
            answered(&story, 7),
            Some(Answer::TakenBack {
                why: ReloadFailure::Worse(_),
                ..
            })
        ),
        "{:?}",
        story.actions
    );
}

#[test]
fn canary_that_is_not_worse_is_promoted_when_its_time_is_over() {
    let mut story = with_canary(judged(1, 60));
    compared(&mut story, 5000, 5);
    assert_eq!(story.actions, []);
    story.seconds(61);
    compared(&mut story, 6000, 6);
    assert_eq!(story.spawned(), [5, 6]);
    story.ready(5).ready(6).seconds(1);
    let generation = SECOND;
    assert_eq!(answered(&story, 7), Some(Answer::Reloaded { generation }));
}

#[test]
fn canary_without_requests_is_taken_back() {
    let mut story = with_canary(judged(1, 60));
    story.seconds(61);
    compared(&mut story, 3, 0);
    story.says(4, WorkerMessage::StoppedAccepting);
    let why = ReloadFailure::TooFewRequests {
        requests: 3,
        wanted: 100,
    };
    let answer = Answer::TakenBack {
        generation: SECOND,
        to: Generation(1),
        why,
    };
    assert_eq!(answered(&story, 7), Some(answer));
}

#[test]
fn canary_leaves_a_slot_to_the_generation_that_serves() {
    let mut story = Story::serving(plan(2));
    let refusal = RolloutRefusal::AllSlots { of: 2 };
    for command in [judged(2, 60), canary(2), canary(99)] {
        story.control(7, command);
        assert_eq!(answered(&story, 7), Some(Answer::Refused(refusal)));
    }
    story.control(8, canary(1)).config(2, plan(2));
    story.ready(3).seconds(1);
    story.control(9, canary(2));
    assert_eq!(answered(&story, 9), Some(Answer::Refused(refusal)));
}

#[test]
fn a_paused_worker_that_ended_is_booted_before_the_canary_is_taken_back() {
    let mut story = with_canary(canary(1));
    assert_eq!(story.exits(1, KILLED).actions, []);
    story.control(8, Command::Discard);
    assert_eq!(story.spawned(), [5]);
    assert!(!story.did(&drain(4, Replaced, 30)), "{:?}", story.actions);
    assert_eq!(story.ready(5).actions, [drain(4, Replaced, 30)]);
    story.says(4, WorkerMessage::StoppedAccepting);
    assert!(story.did(&go(5)), "{:?}", story.actions);
}

#[test]
fn a_canary_is_taken_back_also_where_its_predecessor_does_not_boot() {
    let mut story = with_canary(canary(1));
    story.exits(1, KILLED).control(8, Command::Discard);
    let phase = BootPhase::Import;
    story.says(5, WorkerMessage::Failed { phase });
    assert!(story.did(&drain(4, Replaced, 30)), "{:?}", story.actions);
}

#[test]
fn a_canary_ends_with_the_server() {
    let mut story = with_canary(canary(1));
    story.signal(Signal::Term);
    let shutdown = |n| drain(n, DrainCause::Shutdown, 30);
    for n in 1..=4 {
        assert!(story.did(&shutdown(n)), "{n}: {:?}", story.actions);
    }
}

#[test]
fn a_slot_that_is_added_again_is_the_canarys() {
    let mut story = with_canary(canary(1));
    story.control(8, canary(2)).ready(5);
    story.says(2, WorkerMessage::StoppedAccepting);
    story.control(9, Command::Scale(1));
    story.control(10, Command::Scale(2));
    assert_eq!(story.spawned(), [6]);
    assert_eq!(story.ready(6).actions, [go(6)]);
    story.control(11, Command::Promote);
    story.seconds(1);
    assert_eq!(story.supervisor.generation(), SECOND);
    assert_eq!(story.exits(6, KILLED).actions, [spawn(7, 1, 2)]);
}

#[test]
fn scaling_down_ends_the_paused_ones_too() {
    let mut story = with_canary(canary(1));
    story.control(8, Command::Scale(1));
    let gone: Vec<_> = [3, 2].map(|n| drain(n, Replaced, 30)).into();
    assert_eq!(story.actions[1..], gone);
    story.control(9, Command::Discard).seconds(1);
    assert!(story.did(&go(1)), "{:?}", story.actions);
}

/// After a surge that stopped half way the slots are of two generations; a canary on top is taken back alone.
#[test]
fn canary_over_a_halted_surge_leaves_the_other_slots_alone() {
    let two = Plan {
        surge: Some(2),
        ..plan(3)
    };
    let mut story = Story::serving(two.clone());
    story.signal(Signal::Hup).config(2, two).ready(4).ready(5);
    story
        .says(1, WorkerMessage::StoppedAccepting)
        .says(2, WorkerMessage::StoppedAccepting);
    assert!(story.did(&spawn(6, 2, 2)), "{:?}", story.actions);
    story.exits(6, Exit::Code(4));
    for leaving in [1, 2] {
        story.exits(leaving, Exit::Code(0));
    }
    story.control(7, canary(1)).config(3, plan(3));
    let canary = story.spawned();
    assert_eq!(canary.len(), 1, "{:?}", story.actions);
    assert_eq!(story.ready(canary[0]).actions, [drain(4, Replaced, 30)]);
    story.says(4, WorkerMessage::StoppedAccepting);
    story.control(8, Command::Discard);
    let returning = story.spawned();
    assert_eq!(returning.len(), 1, "{:?}", story.actions);
    story.ready(returning[0]);
    assert_eq!(story.actions, [drain(canary[0], Replaced, 30)]);
    story.says(canary[0], WorkerMessage::StoppedAccepting);
    assert!(story.did(&go(returning[0])), "{:?}", story.actions);
    // In slot 1 the halted generation serves on.
    assert_eq!(story.exits(5, KILLED).actions.len(), 1);
}
