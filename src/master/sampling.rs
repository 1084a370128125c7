//! Looks at the workers' load on the scoreboard, and at the memory that more of them may take. The supervisor decides.

use super::event_queue::EventQueue;
use super::generations::Generations;
use super::listening::Listening;
use super::scaling::Seen;
use super::supervisor::{AvailableMemory, Event, ScalingView, Supervisor, WorkerStage};
use super::worker_processes::WorkerProcesses;
use crate::config::cpus_now;
use crate::ipc;
use crate::sys::clock;
use crate::sys::process::proportional;

/// So many workers are looked at to learn what one takes: each costs a walk through its memory map.
const LOOKED_AT: usize = 8;
/// Of the control group's limit, in hundredths: the rest is for a reload's first steps and for what grows.
const SHARE: u64 = 85;

pub fn sample_load(
    events: &mut EventQueue,
    fleet: &mut WorkerProcesses,
    listening: &Listening,
    supervisor: &Supervisor,
) {
    let serving = supervisor
        .workers()
        .filter(|view| view.stage == WorkerStage::Serving)
        .map(|view| view.who.incarnation);
    let seen: Vec<Seen> = serving
        .filter_map(|incarnation| {
            let page = fleet.workers.get(incarnation)?.page;
            Some((incarnation, page.counters(), page.threads()))
        })
        .collect();
    let waiting = listening.waiting();
    let load = fleet.load.look(clock::monotonic_us(), waiting, &seen);
    events.push(Event::Load(Box::new(load)));
}

/// The quota of the control group may have been changed. Nothing is read where the number of workers does not depend on it.
pub fn look_at_cpus(
    events: &mut EventQueue,
    generations: &Generations<'_>,
    supervisor: &Supervisor,
) {
    let generation = supervisor.generation();
    let config = generations.get(generation);
    let by_cpus = config.and_then(|config| config.settings.workers_by_cpus.as_ref());
    let Some(by_cpus) = by_cpus else {
        return;
    };
    let cpus = cpus_now();
    if let Some((workers, most)) = by_cpus.count(cpus)
        && !supervisor.plans_for(workers, most)
    {
        events.push(Event::Cpus {
            cpus,
            workers,
            most,
        });
    }
}

pub fn scale_room(
    fleet: &WorkerProcesses,
    generations: &Generations<'_>,
    supervisor: &Supervisor,
) -> Option<AvailableMemory> {
    let generation_config = generations.get(supervisor.generation())?;
    let own = generation_config.settings.scaling.as_ref()?.memory;
    let sizes: Vec<u64> = fleet
        .workers
        .iter()
        .take(LOOKED_AT)
        .filter_map(|(_, worker)| proportional(worker.pid))
        .collect();
    let largest = sizes.iter().copied().max()?;
    let of_limit = own.map(|limit| {
        let mean = sizes.iter().sum::<u64>() / sizes.len() as u64;
        (limit, mean * fleet.workers.count() as u64)
    });
    let (limit, used) = of_limit.or_else(|| {
        let group = fleet.memory.usage()?;
        Some((group.limit / 100 * SHARE, group.working_set))
    })?;
    Some(AvailableMemory {
        limit,
        free: limit.saturating_sub(used),
        worker: largest,
    })
}

/// For the scoreboard's header.
pub fn scaling_facts(fleet: &WorkerProcesses, supervisor: &Supervisor) -> ipc::ScalingFacts {
    let bounds = supervisor
        .scaling()
        .map(|ScalingView { bounds, .. }| bounds);
    ipc::ScalingFacts {
        least: bounds.map_or(0, |bounds| bounds.least.into()),
        most: bounds.map_or(0, |bounds| bounds.most.into()),
        ups: fleet.load.ups,
        downs: fleet.load.downs,
    }
}
