//! Collects the requests of a canary and of the generation before it. The supervisor judges them.

use super::canary_window::figures;
use super::shell::Shell;
use super::supervisor::{Event, Generation};

impl Shell<'_> {
    pub(super) fn compare_generations(&mut self, canary: Generation, old: Generation) {
        let window = &mut self.fleet.canary;
        let beginning = window.begin(canary);
        for (incarnation, worker) in self.fleet.workers.iter() {
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
        self.events.pending.push_back(event);
    }
}
