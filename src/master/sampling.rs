//! Looks at the workers' load on the scoreboard, and at the memory that more of them may take. The supervisor decides.

use super::scaling::Seen;
use super::shell::Shell;
use super::supervisor::{AvailableMemory, Event, ScaleDecision, ScalingView, WorkerStage};
use crate::config::cpus_now;
use crate::ipc;
use crate::sys::clock;
use crate::sys::process::proportional;

/// So many workers are looked at to learn what one takes: each costs a walk through its memory map.
const LOOKED_AT: usize = 8;
/// Of the control group's limit, in hundredths: the rest is for a reload's first steps and for what grows.
const SHARE: u64 = 85;

impl Shell<'_> {
    pub(super) fn sample_load(&mut self) {
        let serving = self
            .supervisor
            .workers()
            .filter(|view| view.stage == WorkerStage::Serving)
            .map(|view| view.who.incarnation);
        let seen: Vec<Seen> = serving
            .filter_map(|incarnation| {
                let page = self.fleet.workers.get(incarnation)?.page;
                Some((incarnation, page.counters(), page.threads()))
            })
            .collect();
        let queues = (self.listening.listeners).queues(&self.listening.shown);
        let waiting = queues.flatten().map(|(waiting, _)| waiting).sum();
        let load = self.fleet.load.look(clock::monotonic_us(), waiting, &seen);
        self.events.pending.push_back(Event::Load(Box::new(load)));
    }

    /// The quota of the control group may have been changed. Nothing is read where the number of workers does not depend on it.
    pub(super) fn look_at_cpus(&mut self) {
        let generation = self.supervisor.generation();
        let config = self.generations.generation_configs.get(&generation);
        let by_cpus = config.and_then(|config| config.settings.workers_by_cpus.as_ref());
        let Some(by_cpus) = by_cpus else {
            return;
        };
        let cpus = cpus_now();
        if let Some((workers, most)) = by_cpus.count(cpus)
            && !self.supervisor.plans_for(workers, most)
        {
            self.events.pending.push_back(Event::Cpus {
                cpus,
                workers,
                most,
            });
        }
    }

    pub(super) fn measure_scale_room(&mut self) {
        let memory = self.scale_room();
        self.events.pending.push_back(Event::ScaleRoom(memory));
    }

    fn scale_room(&self) -> Option<AvailableMemory> {
        let generation_config = self
            .generations
            .generation_configs
            .get(&self.supervisor.generation())?;
        let own = generation_config.settings.scaling.as_ref()?.memory;
        let sizes: Vec<u64> = self
            .fleet
            .workers
            .iter()
            .take(LOOKED_AT)
            .filter_map(|(_, worker)| proportional(worker.pid))
            .collect();
        let largest = sizes.iter().copied().max()?;
        let of_limit = own.map(|limit| {
            let mean = sizes.iter().sum::<u64>() / sizes.len() as u64;
            (limit, mean * self.fleet.workers.count() as u64)
        });
        let (limit, used) = of_limit.or_else(|| {
            let group = self.fleet.memory.usage()?;
            Some((group.limit / 100 * SHARE, group.working_set))
        })?;
        Some(AvailableMemory {
            limit,
            free: limit.saturating_sub(used),
            worker: largest,
        })
    }

    pub(super) fn note_scaling(&mut self, decision: &ScaleDecision) {
        let load = &mut self.fleet.load;
        let count = if decision.to > decision.from {
            &mut load.ups
        } else {
            &mut load.downs
        };
        *count += 1;
        self.hook_workers_changed(decision.from, decision.to);
    }

    /// For the scoreboard's header.
    pub(super) fn scaling_facts(&self) -> ipc::ScalingFacts {
        let bounds = self
            .supervisor
            .scaling()
            .map(|ScalingView { bounds, .. }| bounds);
        ipc::ScalingFacts {
            least: bounds.map_or(0, |bounds| bounds.least.into()),
            most: bounds.map_or(0, |bounds| bounds.most.into()),
            ups: self.fleet.load.ups,
            downs: self.fleet.load.downs,
        }
    }
}
