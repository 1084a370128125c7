//! At random points of random histories the state is written out and read back: the supervisor that was read takes the
//! place of the one that was written, which goes on beside it, and both must decide the same.

use std::collections::BTreeSet;

use serde_json::Value;

use super::histories::play;
use super::oracle::{Broken, law};
use super::rng::Rng;
use super::story::plan;
use super::world::World;
use crate::master::supervisor::*;

/// Of a hundred events.
const HOW_OFTEN: u64 = 10;
/// No history has so many workers that one call does not spawn all that it could: a story shows it (`stories_state`).
const NOT_IN_HISTORIES: &str = "spawning";

pub struct Rewriting {
    rng: Rng,
    /// The one that was written out last.
    beside: Option<Supervisor>,
    /// Fields whose loss no state has shown yet.
    unseen: BTreeSet<String>,
}

impl Rewriting {
    fn new(seed: u64, unseen: BTreeSet<String>) -> Self {
        Self {
            rng: Rng(seed),
            beside: None,
            unseen,
        }
    }

    /// `actions` are those of the one that was read.
    pub fn compare(
        &mut self,
        now: Moment,
        event: Option<&Event>,
        actions: &[Action],
        read: &Supervisor,
    ) -> Result<(), Broken> {
        let Some(beside) = &mut self.beside else {
            return Ok(());
        };
        let expected = match event {
            None => beside.start(now),
            Some(event) => beside.handle(now, event.clone()),
        };
        law!(
            actions == expected,
            "read back it does {actions:?}, not {expected:?}"
        );
        law!(
            read.next_timeout() == beside.next_timeout(),
            "read back it waits until another moment"
        );
        Ok(())
    }

    pub fn rewrite(&mut self, supervisor: &mut Supervisor) -> Result<(), Broken> {
        if !self.rng.percent(HOW_OFTEN) {
            return Ok(());
        }
        let text = supervisor.write().expect("it has a form");
        self.unseen.retain(|field| {
            let read = forgetful(&text, field);
            is_same(&read, supervisor)
        });
        let read = Supervisor::read(&text).expect("just written");
        law!(
            is_same(&read, supervisor),
            "{supervisor:?}\nis read back as\n{read:?}"
        );
        self.beside = Some(std::mem::replace(supervisor, read));
        Ok(())
    }
}

/// In all its fields, also those that are not written.
fn is_same(one: &Supervisor, other: &Supervisor) -> bool {
    format!("{one:?}") == format!("{other:?}")
}

/// What is read where the writer has left that field out: it is as in a new supervisor.
fn forgetful(text: &str, field: &str) -> Supervisor {
    let mut state = value(text);
    state["supervisor"][field] = fields_of(&Supervisor::new(plan(3), 0))[field].clone();
    Supervisor::read(&state.to_string()).expect("another value of the same kind")
}

fn value(text: &str) -> Value {
    serde_json::from_str(text).expect("JSON")
}

fn fields_of(supervisor: &Supervisor) -> Value {
    value(&supervisor.write().expect("it has a form"))["supervisor"].take()
}

#[test]
fn a_supervisor_that_was_read_back_decides_the_same() {
    for seed in 0..200 {
        let mut world = World::new(seed, None, false).expect("a start");
        world.rewriting = Some(Rewriting::new(seed, BTreeSet::new()));
        if let Err(broken) = play(&mut world) {
            panic!("seed {seed}: {broken}");
        }
    }
}

/// Or the histories could not show that all of it is written.
#[test]
fn a_field_that_is_forgotten_is_found() {
    let fields = fields_of(&Supervisor::new(plan(3), 0));
    let fields = fields.as_object().expect("a struct").keys().cloned();
    let mut unseen: BTreeSet<String> = fields.filter(|it| it != NOT_IN_HISTORIES).collect();
    for seed in 0..500 {
        if unseen.is_empty() {
            return;
        }
        let mut world = World::new(seed, None, false).expect("a start");
        world.rewriting = Some(Rewriting::new(seed, unseen));
        play(&mut world).expect("no law is broken");
        unseen = world.rewriting.map(|it| it.unseen).unwrap_or_default();
    }
    panic!("these are not missed: {unseen:?}");
}
