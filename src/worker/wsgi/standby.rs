//! The thread that turns the reactor while every application thread is busy. It runs no Python in that time.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::MutexGuard;
use pyo3::prelude::*;

use super::scheduler::{Driver, Scheduler, Standby};
use super::thread_pool::ThreadPool;
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
pub fn spawn(thread_pool: Arc<ThreadPool>) -> std::io::Result<std::thread::JoinHandle<()>> {
    sys::with_signals_blocked(|| {
        std::thread::Builder::new()
            .name("rgun-standby".into())
            .stack_size(python::STACK)
            .spawn(move || {
                attend(&thread_pool);
                cancel(&thread_pool);
            })
    })?
}

fn attend(thread_pool: &ThreadPool) {
    let mut quiet = 0;
    let mut scheduler = thread_pool.scheduler.lock();
    while !scheduler.over {
        let seen = scheduler.epoch;
        if quiet >= LOOKS {
            scheduler.standby = Standby::Dozing;
            thread_pool.alarm.wait(&mut scheduler);
            scheduler.standby = Standby::Watching;
            quiet = 0;
        } else if !scheduler.hurry {
            thread_pool.alarm.wait_for(&mut scheduler, PATIENCE);
        }
        let moved = scheduler.epoch != seen;
        if scheduler.driver != Driver::Unassigned {
            quiet = if moved { 0 } else { quiet + 1 };
            continue;
        }
        quiet = 0;
        if moved && !scheduler.hurry {
            continue;
        }
        scheduler.hurry = false;
        if scheduler.idle.is_empty() {
            scheduler = drive(thread_pool, scheduler);
        } else {
            thread_pool.wake_one(&mut scheduler);
        }
    }
}

/// Cancels the requests that are still running at the end.
fn cancel(thread_pool: &ThreadPool) {
    let busy = thread_pool.scheduler.lock().busy.clone();
    if busy.is_empty() {
        return;
    }
    if thread_pool.context.commands.fast_stop_requested() && interrupt_is_heard() {
        Python::attach(tell_interrupt);
    }
    let by_signal = main_thread_is_interruptible();
    if by_signal && busy.contains(&0) {
        cancel_main_thread();
    }
    Python::attach(|py| {
        for thread in busy.into_iter().filter(|&thread| thread != 0 || !by_signal) {
            cancel_thread(py, thread_pool.ident(thread));
        }
    });
}

/// Turns the reactor until an application thread has nothing else to do.
fn drive<'c>(
    thread_pool: &'c ThreadPool,
    mut scheduler: MutexGuard<'c, Scheduler>,
) -> MutexGuard<'c, Scheduler> {
    scheduler.driver = Driver::Standby;
    drop(scheduler);
    // All threads are busy: the sentinel leaves new connections to other workers.
    thread_pool.context.picked.wake();
    loop {
        thread_pool.turn_reactor(None);
        let mut scheduler = thread_pool.scheduler.lock();
        scheduler.epoch += 1;
        if !scheduler.over && scheduler.idle.is_empty() {
            continue;
        }
        scheduler.driver = Driver::Unassigned;
        for _ in 0..scheduler.queue.len().max(1) {
            thread_pool.wake_one(&mut scheduler);
        }
        return scheduler;
    }
}
