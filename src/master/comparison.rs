//! Collects the requests of a canary and of the generation before it. The supervisor judges them.

use super::canary_window::figures;
use super::event_queue::EventQueue;
use super::supervisor::{Event, Generation};
use super::worker_processes::WorkerProcesses;

pub fn compare(
    events: &mut EventQueue,
    fleet: &mut WorkerProcesses,
    canary: Generation,
    old: Generation,
) {
    let window = &mut fleet.canary;
    let beginning = window.begin(canary);
    for (incarnation, worker) in fleet.workers.iter() {
        if worker.generation == canary || worker.generation == old {
            let figures = figures(&worker.page.counters());
            window.count(incarnation, worker.generation, figures, beginning);
        }
    }
    let event = Event::Compared {
        canary,
        old: Box::new(window.sum(old)),
        new: Box::new(window.sum(canary)),
    };
    events.push(event);
}
