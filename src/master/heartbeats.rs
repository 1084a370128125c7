//! Looks at the workers' heartbeats on the scoreboard, and at what is due as often.

use std::time::Duration;

use super::shell::Shell;
use super::supervisor::{Beat, Event, Slot};
use super::{load, sampling};
use crate::sys::clock;
use crate::sys::process::resident;

/// Becoming ready counts as a heartbeat, too: the first one may come later.
pub fn sample(shell: &mut Shell<'_>) {
    shell.fleet.memory.look();
    load::report(&shell.fleet.workers, &shell.generations, &shell.listening);
    sampling::look_at_cpus(&mut shell.events, &shell.generations, &shell.supervisor);
    let supervisor = &shell.supervisor;
    shell.listening.listeners.shares.close_all_but(|slot| {
        let filled = || supervisor.workers_in(Slot(slot)).next().is_some();
        slot < supervisor.target() || filled()
    });
    let now = clock::monotonic_ms();
    let memory = shell.supervisor.looks_at_memory();
    let mut beats = Vec::new();
    for (incarnation, worker) in shell.fleet.workers.iter_mut() {
        let Some(ready) = worker.ready_ms else {
            continue;
        };
        let age = |beat: u64| Duration::from_millis(now.saturating_sub(ready.max(beat)));
        let slowest = worker.page.slowest();
        beats.push(Beat {
            incarnation,
            age: age(worker.page.heartbeat()),
            slowest: (slowest != 0).then(|| age(slowest)),
            requests: worker.page.requests(),
            memory: memory.then(|| resident(worker.pid)).flatten(),
        });
        worker.rate.look(now, &worker.page.counters());
    }
    shell.events.push(Event::Heartbeats(beats));
}
