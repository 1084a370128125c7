//! `--refork-after`: the process of a worker becomes the mold of its generation, and the mold before is kept until that has proved
//! itself.

use std::os::fd::OwnedFd;

use super::process::MoldProcess;
use crate::ipc::ToWorker;
use crate::master::child_signal::deliver;
use crate::master::shell::Shell;
use crate::master::supervisor::{BootFailure, Event, Generation, Incarnation};
use crate::sys::signals::SignalNumber;

impl Shell<'_> {
    /// On the channel of the worker the messages of molds follow.
    pub(in crate::master) fn adopt_mold(
        &mut self,
        incarnation: Incarnation,
        generation: Generation,
    ) {
        if let Some(before) = self.molds.running.remove(&generation) {
            self.molds.before.insert(generation, before);
        }
        let Some(worker) = self.fleet.workers.take(incarnation) else {
            // It has ended in the meantime.
            let why = BootFailure::NotSpawned;
            self.events
                .pending
                .push_back(Event::MoldEnded { generation, why });
            return;
        };
        self.fleet.scoreboard.free(worker.page);
        worker.send(&ToWorker::Begin);
        let mold = MoldProcess::new(worker.pid, OwnedFd::from(worker.channel).into());
        self.molds.running.insert(generation, mold);
    }

    pub(in crate::master) fn end_mold_before(&mut self, generation: Generation) {
        if let Some(before) = self.molds.before.remove(&generation) {
            self.molds.leaving.insert(before.pid);
        }
    }

    pub(in crate::master) fn return_to_mold_before(&mut self, generation: Generation) {
        if let Some(mut mold) = self.molds.running.remove(&generation) {
            deliver(mold.pid, SignalNumber::KILL);
            self.molds.leaving.insert(mold.pid);
            for unborn in mold.abandon().collect::<Vec<_>>() {
                self.not_forked(unborn.incarnation, unborn.page);
            }
        }
        match self.molds.before.remove(&generation) {
            Some(before) => drop(self.molds.running.insert(generation, before)),
            None => {
                let why = BootFailure::NotSpawned;
                self.events
                    .pending
                    .push_back(Event::MoldEnded { generation, why });
            }
        }
    }
}
