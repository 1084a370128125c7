//! Stories of a number of workers that follows the load.

use std::time::Duration;

use super::story::*;
use crate::master::supervisor::*;

const IDLE: Duration = Duration::from_secs(60);
const SHORT_OF_IDLE: Duration = Duration::from_secs(55);

fn scaled(least: u32, most: u32) -> Plan {
    Plan {
        scaling: Some(ScaleRules {
            most,
            wait: Duration::from_millis(10),
            idle: IDLE,
        }),
        ..plan(least)
    }
}

/// Of every look: all workers so busy, in thousandths, and connections that have waited that class of milliseconds.
#[derive(Clone, Copy)]
struct Traffic {
    busy: u32,
    waits: Option<usize>,
}

const QUIET: Traffic = Traffic {
    busy: 50,
    waits: None,
};
const BUSY: Traffic = Traffic {
    busy: 980,
    waits: None,
};

fn waits(class: usize) -> Traffic {
    Traffic {
        busy: 500,
        waits: Some(class),
    }
}

/// Lets time pass under that load; what was spawned becomes ready at once, what is drained leaves. Returns the decisions.
fn under(story: &mut Story, traffic: Traffic, span: Duration) -> Vec<(u32, u32)> {
    let end = story.now + span;
    let mut decisions = vec![];
    while let Some(at) = story.supervisor.next_timeout().filter(|at| *at <= end) {
        story.now = at;
        story.event(Event::Timeout);
        settle(story, traffic, &mut decisions);
    }
    story.now = end;
    decisions
}

fn settle(story: &mut Story, traffic: Traffic, decisions: &mut Vec<(u32, u32)>) {
    let mut reports = std::mem::take(&mut story.reports);
    let mut todo: Vec<Action> = story.actions.drain(..).collect();
    while let Some(action) = todo.pop() {
        match action {
            Action::SampleLoad => story.event(Event::Load(Box::new(load(story, traffic)))),
            Action::MeasureScaleRoom => story.event(Event::ScaleRoom(story.memory)),
            Action::Spawn { incarnation, .. } => story.ready(incarnation.0),
            Action::Send {
                incarnation,
                order: Order::Drain { .. },
            } => story
                .says(incarnation.0, WorkerMessage::StoppedAccepting)
                .exits(incarnation.0, Exit::Code(0)),
            _ => continue,
        };
        todo.append(&mut story.actions);
        reports.append(&mut story.reports);
    }
    decisions.extend(reports.iter().filter_map(|report| match report {
        Report::ScaledByLoad(decision) => Some((decision.from, decision.to)),
        _ => None,
    }));
    story.reports = reports;
}

fn load(story: &Story, traffic: Traffic) -> Load {
    let mut waits = [0; WAITS];
    if let Some(class) = traffic.waits {
        waits[class] = 40;
    }
    Load {
        span: Duration::from_millis(250),
        workers: story.supervisor.target(),
        least_busy: traffic.busy,
        busy: traffic.busy,
        in_flight: 3,
        waits,
        waiting: 0,
    }
}

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn a_worker_more_when_all_have_been_busy_for_a_second() {
    let mut story = Story::serving(scaled(2, 8));
    assert_eq!(under(&mut story, BUSY, SECOND / 2), []);
    assert_eq!(under(&mut story, BUSY, SECOND * 3 / 4), [(2, 3)]);
    let grown = under(&mut story, BUSY, SECOND * 20);
    assert_eq!(grown, [(3, 4), (4, 5), (5, 6), (6, 7), (7, 8)]);
    assert_eq!(story.supervisor.target(), 8);
}

#[test]
fn a_moment_of_work_changes_nothing() {
    let mut story = Story::serving(scaled(2, 8));
    for _ in 0..20 {
        assert_eq!(under(&mut story, BUSY, SECOND / 2), []);
        assert_eq!(under(&mut story, QUIET, SECOND), []);
    }
}

#[test]
fn two_workers_more_where_connections_wait_very_long() {
    let mut story = Story::serving(scaled(2, 8));
    // From 16 to 32 ms; from 64 to 128 ms.
    assert_eq!(under(&mut story, waits(5), SECOND * 5 / 4), [(2, 3)]);
    let mut story = Story::serving(scaled(2, 5));
    let grown = under(&mut story, waits(7), SECOND * 4);
    assert_eq!(grown, [(2, 4), (4, 5)]);
    // Below the target.
    let mut story = Story::serving(scaled(2, 8));
    assert_eq!(under(&mut story, waits(3), SECOND * 9), []);
}

#[test]
fn a_worker_less_each_second_after_the_idle_time() {
    let mut story = Story::serving(scaled(2, 8));
    under(&mut story, BUSY, SECOND * 20);
    assert_eq!(under(&mut story, QUIET, IDLE), []);
    let shrunk = under(&mut story, QUIET, SECOND * 12);
    assert_eq!(shrunk, [(8, 7), (7, 6), (6, 5), (5, 4), (4, 3), (3, 2)]);
    assert_eq!(under(&mut story, QUIET, IDLE * 3), []);
}

#[test]
fn growth_begins_the_idle_time_anew() {
    let mut story = Story::serving(scaled(1, 8));
    assert_eq!(under(&mut story, BUSY, SECOND * 5 / 4), [(1, 2)]);
    under(&mut story, QUIET, SHORT_OF_IDLE);
    assert_eq!(under(&mut story, BUSY, SECOND * 5 / 4), [(2, 3)]);
    assert_eq!(under(&mut story, QUIET, SHORT_OF_IDLE), []);
}

#[test]
fn workers_that_boot_are_awaited() {
    let mut story = Story::serving(scaled(1, 8));
    let mut decisions = vec![];
    while decisions.is_empty() {
        story.now = story.supervisor.next_timeout().expect("a pulse");
        story.event(Event::Timeout);
        let asked = std::mem::take(&mut story.actions);
        for action in asked {
            match action {
                Action::SampleLoad => story.event(Event::Load(Box::new(load(&story, BUSY)))),
                Action::MeasureScaleRoom => story.event(Event::ScaleRoom(None)),
                _ => continue,
            };
            if story.did(&Action::MeasureScaleRoom) {
                story.event(Event::ScaleRoom(None));
            }
            decisions.extend(story.spawned());
        }
    }
    assert_eq!(decisions, [2]);
    // It takes its time.
    for _ in 0..40 {
        story.now = story.now + SECOND / 4;
        story.event(Event::Load(Box::new(load(&story, BUSY))));
        assert!(story.spawned().is_empty());
    }
    assert_eq!(story.supervisor.target(), 2);
}

#[test]
fn no_worker_that_would_not_fit() {
    let mut story = Story::serving(scaled(2, 8));
    story.memory = Some(AvailableMemory {
        limit: 1000,
        free: 150,
        worker: 100,
    });
    assert_eq!(under(&mut story, waits(7), SECOND * 5 / 4), [(2, 3)]);
    story.memory = Some(AvailableMemory {
        limit: 1000,
        free: 50,
        worker: 100,
    });
    let mut reports = 0;
    for _ in 0..120 {
        assert_eq!(under(&mut story, waits(7), SECOND / 4), []);
        let cramped = |report: &&Report| matches!(report, Report::NoRoomToScale { .. });
        reports += story.reports.iter().filter(cramped).count();
    }
    assert_eq!(reports, 1, "once is enough");
    story.memory = None;
    assert_eq!(under(&mut story, waits(7), SECOND * 6)[0], (3, 5));
}

#[test]
fn signals_move_the_range() {
    let mut story = Story::serving(scaled(2, 8));
    let bounds = |story: &Story| {
        let bounds = story.supervisor.scaling().expect("on").bounds;
        (story.supervisor.target(), bounds.least, bounds.most)
    };
    story.signal(Signal::Ttin);
    assert_eq!(bounds(&story), (3, 3, 9));
    for _ in 0..3 {
        story.signal(Signal::Ttou);
    }
    assert_eq!(bounds(&story), (1, 1, 6));
    story.signal(Signal::Ttou);
    assert_eq!(bounds(&story), (1, 1, 5));
}

#[test]
fn an_operator_sets_a_number_or_a_range() {
    let mut story = Story::serving(scaled(2, 8));
    story.control(1, Command::Scale(5));
    assert_eq!(story.supervisor.scaling(), None);
    assert_eq!(story.supervisor.target(), 5);
    let bounds = Bounds { least: 1, most: 3 };
    story.control(2, Command::ScaleBetween(bounds));
    let answer = Answer::ScaledBetween { bounds, workers: 3 };
    assert_eq!(answered(&story, 2), Some(answer));
    assert_eq!(story.supervisor.scaling().expect("on").bounds, bounds);

    let mut fixed = Story::serving(plan(2));
    fixed.control(1, Command::ScaleBetween(bounds));
    assert_eq!(answered(&fixed, 1), Some(Answer::NotScaling));
    assert_eq!(under(&mut fixed, BUSY, SECOND * 9), []);
}

#[test]
fn a_reload_keeps_the_number_unless_the_range_is_another_one() {
    let mut story = Story::serving(scaled(1, 8));
    under(&mut story, BUSY, SECOND * 5 / 4);
    assert_eq!(story.supervisor.target(), 2);
    let reload = |story: &mut Story, generation: u32, plan: Plan| {
        story.signal(Signal::Hup).config(generation, plan);
        let mut none = vec![];
        settle(story, BUSY, &mut none);
        assert_eq!(none, [], "nothing is decided during a reload");
        assert_eq!(story.supervisor.generation(), Generation(generation));
    };
    reload(&mut story, 2, scaled(1, 8));
    assert_eq!(story.supervisor.target(), 2);
    reload(&mut story, 3, scaled(4, 6));
    assert_eq!(story.supervisor.target(), 4);
    assert_eq!(
        story.supervisor.scaling().expect("on").bounds,
        Bounds { least: 4, most: 6 }
    );
    reload(&mut story, 4, plan(3));
    assert_eq!(story.supervisor.scaling(), None);
    assert_eq!(story.supervisor.target(), 3);
}

fn cpus(story: &mut Story, workers: u32, most: u32) -> (u32, Option<Bounds>) {
    story.event(Event::Cpus {
        cpus: workers,
        workers,
        most,
    });
    let bounds = story.supervisor.scaling().map(|view| view.bounds);
    (story.supervisor.target(), bounds)
}

#[test]
fn a_number_for_the_cpus_follows_them() {
    let mut story = Story::serving(plan(2));
    assert_eq!(cpus(&mut story, 4, 4), (4, None));
    assert_eq!(story.spawned(), [3, 4]);
    story.ready(3).ready(4);
    assert_eq!(cpus(&mut story, 1, 1), (1, None));
    story.signal(Signal::Ttin);
    assert_eq!(
        cpus(&mut story, 3, 3),
        (2, None),
        "an operator's number stays"
    );
    story.signal(Signal::Hup).config(2, plan(4));
    assert_eq!(cpus(&mut story, 1, 1), (2, None), "not during a reload");
}

#[test]
fn a_range_for_the_cpus_follows_them() {
    let mut story = Story::serving(scaled(1, 1));
    assert_eq!(
        cpus(&mut story, 1, 4),
        (1, Some(Bounds { least: 1, most: 4 }))
    );
    assert_eq!(
        cpus(&mut story, 3, 6),
        (3, Some(Bounds { least: 3, most: 6 }))
    );
    assert_eq!(
        cpus(&mut story, 1, 2),
        (2, Some(Bounds { least: 1, most: 2 }))
    );
    let bounds = Bounds { least: 2, most: 3 };
    story.control(1, Command::ScaleBetween(bounds));
    assert_eq!(
        cpus(&mut story, 4, 8),
        (2, Some(bounds)),
        "an operator's range stays"
    );
}

#[test]
fn a_stopping_server_is_left_alone() {
    let mut story = Story::serving(scaled(1, 8));
    under(&mut story, BUSY, SECOND * 3 / 4);
    story.signal(Signal::Term);
    story.event(Event::Load(Box::new(load(&story, BUSY))));
    assert!(!story.did(&Action::MeasureScaleRoom));
}
