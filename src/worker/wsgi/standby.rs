//! The thread that turns the reactor while every application thread is busy. It runs no Python in that time.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::MutexGuard;
use pyo3::prelude::*;

use super::crew::Crew;
use super::roster::{Driver, Roster, Standby};
use crate::sys;
use crate::worker::python::{
    self, cancel_main_thread, cancel_thread, interrupt_is_heard, main_thread_is_interruptible,
    tell_interrupt,
};

/// A reactor that was not turned for one to two of these is taken over.
const PATIENCE: Duration = Duration::from_millis(2);
/// After this many checks that found the reactor attended, it dozes until a thread leaves the reactor.
const LOOKS: u32 = 5;

/// Starts it, with all signals blocked: they are for Python's main thread. At the end it calls `worker_int`, so it
/// has a stack as large as that of any thread with Python; unused pages take no memory.
pub fn spawn(crew: Arc<Crew>) -> std::io::Result<std::thread::JoinHandle<()>> {
    sys::with_signals_blocked(|| {
        std::thread::Builder::new()
            .name("rgun-standby".into())
            .stack_size(python::STACK)
            .spawn(move || {
                attend(&crew);
                cancel(&crew);
            })
    })?
}

fn attend(crew: &Crew) {
    let mut quiet = 0;
    let mut roster = crew.roster.lock();
    while !roster.over {
        let seen = roster.epoch;
        if quiet >= LOOKS {
            roster.standby = Standby::Dozing;
            crew.alarm.wait(&mut roster);
            roster.standby = Standby::Watching;
            quiet = 0;
        } else if !roster.hurry {
            crew.alarm.wait_for(&mut roster, PATIENCE);
        }
        let moved = roster.epoch != seen;
        if roster.driver != Driver::Nobody {
            quiet = if moved { 0 } else { quiet + 1 };
            continue;
        }
        quiet = 0;
        if moved && !roster.hurry {
            continue;
        }
        roster.hurry = false;
        if roster.idle.is_empty() {
            roster = drive(crew, roster);
        } else {
            crew.wake_one(&mut roster);
        }
    }
}

/// Cancels the requests that are still running at the end.
fn cancel(crew: &Crew) {
    let busy = crew.roster.lock().busy.clone();
    if busy.is_empty() {
        return;
    }
    if crew.office.orders.had_to_be_fast() && interrupt_is_heard() {
        Python::attach(tell_interrupt);
    }
    let by_signal = main_thread_is_interruptible();
    if by_signal && busy.contains(&0) {
        cancel_main_thread();
    }
    Python::attach(|py| {
        for thread in busy.into_iter().filter(|&thread| thread != 0 || !by_signal) {
            cancel_thread(py, crew.ident(thread));
        }
    });
}

/// Turns the reactor until an application thread has nothing else to do.
fn drive<'c>(crew: &'c Crew, mut roster: MutexGuard<'c, Roster>) -> MutexGuard<'c, Roster> {
    roster.driver = Driver::Standby;
    drop(roster);
    // All threads are busy: the sentinel leaves new connections to other workers.
    crew.office.picked.wake();
    loop {
        crew.post.lock().turn(crew, None);
        let mut roster = crew.roster.lock();
        roster.epoch += 1;
        if !roster.over && roster.idle.is_empty() {
            continue;
        }
        roster.driver = Driver::Nobody;
        for _ in 0..roster.queue.len().max(1) {
            crew.wake_one(&mut roster);
        }
        return roster;
    }
}
