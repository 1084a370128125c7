//! Stories of the programs that run beside the workers.

use std::time::Duration;

use super::story::*;
use crate::master::supervisor::*;

const CELERY: CompanionId = CompanionId(1);
const BEAT: CompanionId = CompanionId(2);

fn named(name: &str) -> CompanionPlan {
    CompanionPlan {
        name: name.to_owned(),
        grace: Duration::from_secs(10),
    }
}

fn beside(names: &[&str]) -> Plan {
    Plan {
        companions: names.iter().map(|name| named(name)).collect(),
        ..plan(1)
    }
}

fn start(companion: CompanionId, generation: u32) -> Action {
    Action::StartCompanion {
        companion,
        generation: Generation(generation),
    }
}

fn end(companion: CompanionId) -> Action {
    Action::EndCompanion { companion }
}

fn ended(companion: CompanionId, exit: Exit) -> Event {
    Event::CompanionEnded {
        companion,
        end: CompanionEnd::Exited(exit),
    }
}

fn stages(story: &Story) -> Vec<(String, CompanionStage)> {
    let views = story.supervisor.companions();
    views
        .map(|view| (view.name.to_owned(), view.stage))
        .collect()
}

/// The second generation takes over from the first.
fn reload(story: &mut Story, plan: Plan) {
    story.signal(Signal::Hup).config(2, plan);
    story.ready(2);
    story.says(1, WorkerMessage::StoppedAccepting);
    assert_eq!(story.supervisor.generation(), Generation(2));
}

#[test]
fn they_start_when_all_workers_are_ready() {
    let mut story = Story::new(Plan {
        workers: 2,
        ..beside(&["celery", "beat"])
    });
    assert!(!story.ready(1).did(&start(CELERY, 1)));
    story.ready(2);
    assert!(story.did(&start(CELERY, 1)) && story.did(&start(BEAT, 1)));
}

#[test]
fn one_that_fails_is_paced_and_the_workers_are_left_alone() {
    let mut story = Story::serving(beside(&["celery"]));
    for seconds in [0, 1, 2, 4, 8, 16, 30, 30] {
        story.event(ended(CELERY, Exit::Code(1)));
        if seconds > 0 {
            assert_eq!(story.actions, []);
            assert_eq!(stages(&story)[0].1, CompanionStage::Paused);
            assert_eq!(story.seconds(seconds), [start(CELERY, 1)]);
        } else {
            assert_eq!(story.actions, [start(CELERY, 1)]);
        }
    }
}

#[test]
fn reload_that_succeeds_restarts_them_and_one_that_fails_does_not() {
    let mut story = Story::serving(beside(&["celery"]));
    story.signal(Signal::Hup).config(2, beside(&["celery"]));
    story.exits(2, Exit::Code(3));
    assert!(!story.did(&end(CELERY)), "{:?}", story.actions);
    story.signal(Signal::Hup).config(3, beside(&["celery"]));
    story.ready(3);
    assert!(!story.did(&end(CELERY)), "not promoted yet");
    story.says(1, WorkerMessage::StoppedAccepting);
    assert!(story.did(&go(3)) && story.did(&end(CELERY)));
    // Never two of them.
    assert!(!story.did(&start(CELERY, 3)));
    let killed = Exit::Signal {
        signal: 15,
        core: CoreDump::No,
    };
    story.event(ended(CELERY, killed));
    assert_eq!(story.actions, [start(CELERY, 3)]);
}

#[test]
fn reload_takes_companions_away_and_adds_others() {
    let mut story = Story::serving(beside(&["celery"]));
    reload(&mut story, beside(&["beat"]));
    assert!(story.did(&end(CELERY)) && story.did(&start(BEAT, 2)));
    story.event(ended(CELERY, Exit::Code(0)));
    assert_eq!(story.actions, []);
    assert_eq!(
        stages(&story),
        [("beat".to_owned(), CompanionStage::Running)]
    );
}

#[test]
fn stop_waits_for_their_grace_and_then_kills() {
    let mut story = Story::serving(beside(&["celery"]));
    story.signal(Signal::Term);
    assert!(story.did(&end(CELERY)));
    story.exits(1, Exit::Code(0));
    assert_eq!(story.actions, []);
    let kill = Action::KillCompanion { companion: CELERY };
    assert_eq!(story.seconds(10), [kill]);
    let exits = [Action::EndHelpers, Action::Exit { code: 0 }];
    story.event(ended(CELERY, KILLED));
    assert_eq!(story.actions[..], exits[1..]);
}

#[test]
fn fast_stop_leaves_them_three_seconds() {
    let mut story = Story::serving(beside(&["celery"]));
    story.signal(Signal::Term).signal(Signal::Term);
    story.exits(1, Exit::Code(0));
    let kill = Action::KillCompanion { companion: CELERY };
    assert_eq!(story.seconds(3), [kill]);
}

#[test]
fn no_worker_left_in_the_shutdown_delay_is_the_end_for_them_too() {
    let mut story = Story::serving(Plan {
        shutdown_delay: Duration::from_secs(20),
        ..beside(&["celery"])
    });
    story.signal(Signal::Term);
    assert!(!story.did(&end(CELERY)), "still serving");
    story.exits(1, Exit::Code(0));
    assert!(story.did(&end(CELERY)) && story.did(&Action::CloseListeners));
    story.event(ended(CELERY, Exit::Code(0)));
    assert_eq!(story.actions, [Action::Exit { code: 0 }]);
}

#[test]
fn operator_restarts_one() {
    let mut story = Story::serving(beside(&["celery"]));
    let started = Event::CompanionStarted { companion: CELERY };
    story.event(started.clone());
    story.control(1, Command::RestartCompanion(CELERY));
    assert_eq!(story.actions, [end(CELERY)]);
    story.event(ended(CELERY, Exit::Code(0)));
    assert_eq!(story.actions, [start(CELERY, 1)]);
    story.event(started);
    let answer = Answer::CompanionRestarted { companion: CELERY };
    assert_eq!(answered(&story, 1), Some(answer));
    // While it waits between failures there is nothing to end.
    for _ in 0..2 {
        story.event(ended(CELERY, Exit::Code(1)));
    }
    story.control(2, Command::RestartCompanion(CELERY));
    assert_eq!(story.actions, [start(CELERY, 1)]);
    story.event(Event::CompanionEnded {
        companion: CELERY,
        end: CompanionEnd::NotStarted,
    });
    let answer = Answer::CompanionNotStarted { companion: CELERY };
    assert_eq!(answered(&story, 2), Some(answer));
    story.control(3, Command::RestartCompanion(BEAT));
    assert_eq!(answered(&story, 3), Some(Answer::NoSuchCompanion));
}

#[test]
fn whoever_waits_for_one_is_answered_when_the_server_stops() {
    let mut story = Story::serving(beside(&["celery"]));
    story.control(1, Command::RestartCompanion(CELERY));
    story.signal(Signal::Int);
    assert_eq!(answered(&story, 1), Some(Answer::ServerStopping));
}
