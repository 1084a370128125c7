//! Stories of many workers: the cost grows linearly with their number, and signals are served while they are forked.

use std::time::Duration;

use super::story::*;
use crate::master::supervisor::*;

/// The cost of `act`, counted in workers visited.
fn looks(story: &mut Story, act: impl FnOnce(&mut Story)) -> u64 {
    let before = story.supervisor.server.workers.looks();
    act(story);
    story.supervisor.server.workers.looks() - before
}

/// All have answered, and nothing else happens.
fn idle_second(story: &mut Story, workers: u64) {
    story.seconds(1);
    let beat = |n| Beat {
        incarnation: Incarnation(n),
        age: Duration::from_millis(500),
        slowest: None,
        requests: 0,
        memory: None,
    };
    story.event(Event::Heartbeats((1..=workers).map(beat).collect()));
    assert_eq!(story.actions, []);
}

fn booted(workers: u32) -> Story {
    let mut story = Story::new(plan(workers));
    let mut up = 0;
    while !story.supervisor.is_up() {
        let spawned = story.spawned();
        if story.supervisor.next_timeout() == Some(story.now) {
            story.event(Event::Timeout);
        } else {
            up += 1;
            story.ready(up);
        }
        assert!(spawned.len() <= 8, "{spawned:?} in one call");
    }
    story
}

/// Linear: eight times the workers may cost nine times as much.
fn assert_linear(what: &str, few: u64, many: u64) {
    assert!(
        many <= 9 * few,
        "{what}: {few} for 100 workers, {many} for 800"
    );
}

#[test]
fn idle_second_costs_what_there_are_workers() {
    let [few, many] = [100, 800].map(|workers| {
        let mut story = booted(workers);
        looks(&mut story, |story| idle_second(story, workers.into()))
    });
    assert_linear("idle", few, many);
    assert!(many <= 12 * 800, "{many} looks in a second");
}

#[test]
fn each_step_of_a_life_costs_what_there_are_workers() {
    type Act = fn(&mut Story);
    let acts: [(&str, Act); 4] = [
        ("killed", |story| drop(story.exits(50, KILLED).spawned())),
        ("retired", |story| drop(story.done_enough(51).spawned())),
        ("scaled", |story| drop(story.signal(Signal::Ttin).spawned())),
        ("queued", |story| drop(story.signal(Signal::Hup).spawned())),
    ];
    let [mut few, mut many] = [100, 800].map(booted);
    for (what, act) in acts {
        assert_linear(what, looks(&mut few, act), looks(&mut many, act));
    }
}

#[test]
fn reload_costs_for_each_event_what_there_are_workers() {
    let [few, many] = [100_u32, 800].map(|workers| {
        let mut story = booted(workers);
        story.signal(Signal::Hup).config(2, plan(workers));
        let new: Vec<u64> = (u64::from(workers) + 1..).take(workers as usize).collect();
        let mut next = 0;
        looks(&mut story, |story| {
            for one in &new {
                story.ready(*one);
                next += 1;
            }
        }) / next
    });
    assert_linear("one more is ready", few, many);
}

#[test]
fn signal_is_served_between_the_forks_of_a_first_boot() {
    let mut story = Story::new(plan(100));
    assert_eq!(story.spawned().len(), 8);
    assert_eq!(story.supervisor.next_timeout(), Some(story.now));
    story.event(Event::Timeout);
    assert_eq!(story.spawned(), (9..=16).collect::<Vec<_>>());
    story.signal(Signal::Term);
    let ended = (1..=16).filter(|n| story.did(&terminate(*n))).count();
    assert_eq!((ended, story.spawned()), (16, vec![]));
    assert!(story.supervisor.next_timeout() > Some(story.now));
    for n in 1..=16 {
        story.exits(n, KILLED);
    }
    assert!(story.did(&Action::Exit { code: 0 }));
}
