//! A state that was written out, and texts that are none: what is read, and why one is not.

use super::story::plan;
use crate::master::supervisor::state::StateError;
use crate::master::supervisor::*;

fn written() -> String {
    let supervisor = Supervisor::new(plan(3), 7);
    supervisor.write().expect("it has a form")
}

#[test]
fn another_version_is_refused_whatever_its_form() {
    let newer = r#"{"version": 2, "supervisor": "in another form"}"#;
    let error = Supervisor::read(newer).expect_err("a newer one");
    let expected = "the state has version 2, and this program reads version 1";
    assert_eq!(error.to_string(), expected);
    for malformed in [
        "",
        "{",
        "[]",
        "null",
        r#"{"version": -1}"#,
        r#"{"version": 1}"#,
    ] {
        let error = Supervisor::read(malformed).expect_err(malformed);
        assert!(matches!(error, StateError::Malformed(_)), "{error:?}");
    }
}

#[test]
fn a_state_that_was_cut_short_is_refused() {
    let text = written();
    for end in 0..text.len() {
        Supervisor::read(&text[..end]).expect_err("a part of it");
    }
}

#[test]
fn unknown_fields_are_ignored() {
    let text = written();
    let more = text.replacen(
        r#""supervisor":{"#,
        r#""later": [1], "supervisor":{"unheard_of": {"a": null},"#,
        1,
    );
    assert_ne!(text, more);
    let read = Supervisor::read(&more).expect("more than is needed");
    assert_eq!(read.write().expect("it has a form"), text);
}

#[test]
fn workers_that_were_still_to_be_spawned_are_spawned() {
    let mut before = Supervisor::new(plan(20), 7);
    let now = Moment::default();
    let spawned = before.start(now);
    let text = before.write().expect("it has a form");
    let mut after = Supervisor::read(&text).expect("just written");
    assert_eq!(before.next_timeout(), Some(now), "there is more to do");
    assert_eq!(after.next_timeout(), Some(now));
    let more = after.handle(now, Event::Timeout);
    assert_eq!(more, before.handle(now, Event::Timeout));
    assert!(!more.is_empty() && more != spawned);
}
