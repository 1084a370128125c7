//! Stories of the signals that change the number of workers of a daemon.

use super::story::*;
use crate::master::supervisor::DrainCause::Replaced;
use crate::master::supervisor::*;

fn daemon(workers: u32) -> Plan {
    Plan {
        winch: Winch::RetiresWorkers,
        ..plan(workers)
    }
}

#[test]
fn winch_retires_the_workers_of_a_daemon_and_a_reload_brings_them_back() {
    let mut story = Story::serving(daemon(2));
    story.signal(Signal::Winch);
    assert_eq!(story.reports, [Report::Scaled { from: 2, to: 0 }]);
    assert_eq!(
        story.actions,
        [drain(2, Replaced, 30), drain(1, Replaced, 30)]
    );
    story.exits(1, Exit::Code(0)).exits(2, Exit::Code(0));
    assert_eq!(story.seconds(60), [], "nobody is missed");
    story.signal(Signal::Hup).config(2, daemon(2));
    assert_eq!(story.spawned(), [3, 4]);
    story.ready(3);
    assert!(story.ready(4).did(&go(3)) && story.did(&go(4)));
}

#[test]
fn after_winch_ttin_adds_one_and_ttou_takes_nobody_away() {
    let mut story = Story::serving(daemon(1));
    story.signal(Signal::Winch).exits(1, Exit::Code(0));
    assert_eq!(story.signal(Signal::Ttou).actions, []);
    assert_eq!(story.signal(Signal::Ttin).spawned(), [2]);
    assert_eq!(story.ready(2).actions, [go(2)]);
    assert_eq!(story.signal(Signal::Ttou).actions, [], "one stays");
}

#[test]
fn winch_during_a_rollout_ends_it_with_nobody() {
    let mut story = Story::serving(daemon(2));
    story.signal(Signal::Hup).config(2, daemon(2)).ready(3);
    story.signal(Signal::Winch);
    assert!(story.did(&drain(1, Replaced, 30)) && story.did(&drain(2, Replaced, 30)));
    let abandoned = |r: &Report| {
        let why = ReloadFailure::Abandoned;
        matches!(r, Report::ReloadFailed { why: found, .. } if *found == why)
    };
    assert!(story.reports.iter().any(abandoned), "{:?}", story.reports);
    assert!(
        story.did(&stop_fast(3)) && story.did(&terminate(4)),
        "{:?}",
        story.actions
    );
    for n in 1..=4 {
        story.exits(n, Exit::Code(0));
    }
    assert_eq!(story.seconds(60), []);
    story.signal(Signal::Term);
    assert!(story.did(&Action::Exit { code: 0 }), "{:?}", story.actions);
}

#[test]
fn winch_of_a_terminal_does_nothing() {
    let mut story = Story::serving(plan(1));
    assert_eq!(story.signal(Signal::Winch).actions, []);
}
