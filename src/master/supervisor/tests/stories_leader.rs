//! Stories of the one worker that does what is to be done once.

use super::story::*;
use crate::master::supervisor::*;

fn leader(story: &Story) -> Option<u64> {
    story.leader.map(|leader| leader.0)
}

#[test]
fn it_is_the_worker_of_the_first_slot() {
    let mut story = Story::new(plan(3));
    assert_eq!(leader(&story), None);
    story.ready(2);
    assert_eq!(leader(&story), Some(2));
    story.ready(1).ready(3);
    assert_eq!(leader(&story), Some(1));
}

#[test]
fn another_one_leads_until_it_is_replaced() {
    let mut story = Story::serving(plan(3));
    story.exits(1, KILLED);
    assert_eq!(leader(&story), Some(2));
    story.exits(2, KILLED);
    assert_eq!(leader(&story), Some(3));
    story.ready(4);
    assert_eq!(leader(&story), Some(4));
}

#[test]
fn reload_hands_over_when_the_new_workers_serve() {
    let mut story = Story::serving(plan(2));
    story.signal(Signal::Hup).config(2, plan(2));
    story.ready(3).ready(4);
    assert_eq!(leader(&story), Some(1), "the new ones do not serve yet");
    story.says(1, WorkerMessage::StoppedAccepting);
    assert_eq!(leader(&story), Some(1));
    story.says(2, WorkerMessage::StoppedAccepting);
    assert_eq!(leader(&story), Some(3));
    story.exits(1, Exit::Code(0));
    assert_eq!(leader(&story), Some(3));
}

#[test]
fn replacement_of_a_retired_one_leads() {
    let mut story = Story::serving(plan(1));
    story.done_enough(1);
    assert_eq!(leader(&story), Some(1));
    story.ready(2);
    assert_eq!(leader(&story), Some(2));
}

#[test]
fn last_one_leads_to_its_end() {
    let mut story = Story::serving(plan(1));
    story.signal(Signal::Term);
    assert_eq!(leader(&story), Some(1));
    story.exits(1, Exit::Code(0));
    assert_eq!(leader(&story), None);
}
