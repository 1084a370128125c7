//! `--refork-after`: the process of a worker becomes the mold of its generation, and the mold before is kept until that has proved
//! itself.

use std::os::fd::OwnedFd;

use super::process::MoldProcess;
use super::requests;
use super::running::Molds;
use crate::ipc::{Scoreboard, ToWorker};
use crate::master::child_signal::deliver;
use crate::master::event_queue::EventQueue;
use crate::master::supervisor::{BootFailure, Event, Generation, Incarnation};
use crate::master::worker_processes::WorkerProcesses;
use crate::sys::signals::SignalNumber;

/// On the channel of the worker the messages of molds follow.
pub fn adopt(
    events: &mut EventQueue,
    fleet: &mut WorkerProcesses,
    molds: &mut Molds,
    incarnation: Incarnation,
    generation: Generation,
) {
    if let Some(before) = molds.running.remove(&generation) {
        molds.before.insert(generation, before);
    }
    let Some(worker) = fleet.workers.take(incarnation) else {
        // It has ended in the meantime.
        let why = BootFailure::NotSpawned;
        events.push(Event::MoldEnded { generation, why });
        return;
    };
    fleet.scoreboard.free(worker.page);
    worker.send(&ToWorker::Begin);
    let mold = MoldProcess::new(worker.pid, OwnedFd::from(worker.channel).into());
    molds.running.insert(generation, mold);
}

pub fn return_to_before(
    events: &mut EventQueue,
    scoreboard: &Scoreboard,
    molds: &mut Molds,
    generation: Generation,
) {
    if let Some(mut mold) = molds.running.remove(&generation) {
        deliver(mold.pid, SignalNumber::KILL);
        molds.leaving.insert(mold.pid);
        for unborn in mold.abandon().collect::<Vec<_>>() {
            requests::not_forked(events, scoreboard, unborn.incarnation, unborn.page);
        }
    }
    match molds.before.remove(&generation) {
        Some(before) => drop(molds.running.insert(generation, before)),
        None => {
            let why = BootFailure::NotSpawned;
            events.push(Event::MoldEnded { generation, why });
        }
    }
}
