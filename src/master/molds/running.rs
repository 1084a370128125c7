//! The molds that run, and those that are about to exit.

use std::collections::{BTreeMap, BTreeSet};
use std::os::fd::{AsFd, RawFd};

use serde::{Deserialize, Serialize};

use super::process::MoldProcess;
use crate::ipc;
use crate::master::Error;
use crate::master::child_signal::deliver;
use crate::master::descriptors::{KeptDescriptors, copy};
use crate::master::supervisor::Generation;
use crate::master::workers::{Hearing, WorkerFailure};
use crate::sys::Pid;
use crate::sys::process::ProcessExit;
use crate::sys::signals::SignalNumber;

#[derive(Debug, Default)]
pub struct Molds {
    pub(super) running: BTreeMap<Generation, MoldProcess>,
    /// Kept while a worker that has become the mold has not proved itself.
    pub(super) before: BTreeMap<Generation, MoldProcess>,
    /// Ordered to end, and not reaped yet.
    pub(super) leaving: BTreeSet<Pid>,
    /// Children that exited while a mold was forking: one of them may be the worker that it is about to report.
    pub(super) orphans: BTreeMap<Pid, ProcessExit>,
    /// The failure that the last mold of a generation reported.
    pub(super) failures: BTreeMap<Generation, WorkerFailure>,
}

/// Molds that were handed over: generation, process and channel of each.
#[derive(Debug, Serialize, Deserialize)]
pub struct MoldsState {
    running: Vec<(Generation, i32, RawFd)>,
    leaving: Vec<i32>,
}

impl Molds {
    pub fn failure(&self, generation: Generation) -> Option<&WorkerFailure> {
        self.failures.get(&generation)
    }

    /// Those whose channels can be read or written.
    pub fn iter(&self) -> impl Iterator<Item = (Generation, &MoldProcess)> {
        self.running
            .iter()
            .map(|(generation, mold)| (*generation, mold))
    }

    pub(super) fn get(&self, generation: Generation) -> Option<&MoldProcess> {
        self.running.get(&generation)
    }

    pub fn is_gone(&self) -> bool {
        self.running.is_empty() && self.before.is_empty() && self.leaving.is_empty()
    }

    /// It has no more workers to fork, and exits by itself.
    pub fn dismiss(&mut self, generation: Generation) {
        self.failures.remove(&generation);
        let molds = [&mut self.running, &mut self.before];
        for mold in molds
            .map(|molds| molds.remove(&generation))
            .into_iter()
            .flatten()
        {
            self.leaving.insert(mold.pid);
        }
    }

    pub fn dismiss_all(&mut self) {
        let before = std::mem::take(&mut self.before);
        let running = std::mem::take(&mut self.running);
        let molds = running.into_values().chain(before.into_values());
        self.leaving.extend(molds.map(|mold| mold.pid));
    }

    /// The master exits, and they have not.
    pub fn kill(&self) {
        let molds = self.running.values().chain(self.before.values());
        let molds = molds.map(|mold| mold.pid);
        for pid in self.leaving.iter().copied().chain(molds) {
            deliver(pid, SignalNumber::KILL);
        }
    }

    /// What a program that goes on in this one's place takes over.
    pub fn state(&self, kept: &mut KeptDescriptors) -> MoldsState {
        let running = self.running.iter();
        MoldsState {
            running: running
                .map(|(generation, mold)| {
                    let channel = kept.keep(&mold.handle.as_fd());
                    (*generation, mold.pid.as_raw(), channel)
                })
                .collect(),
            leaving: self.leaving.iter().map(|pid| pid.as_raw()).collect(),
        }
    }

    /// # Errors
    /// A descriptor is not open.
    pub fn restore(state: MoldsState) -> Result<Self, Error> {
        let mut molds = Self {
            leaving: state.leaving.into_iter().filter_map(Pid::new).collect(),
            ..Self::default()
        };
        for (generation, pid, channel) in state.running {
            let handle = copy(channel)?.into();
            let pid = Pid::new(pid).ok_or(ipc::Error::Malformed("a mold without a process"))?;
            molds
                .running
                .insert(generation, MoldProcess::new(pid, handle));
        }
        Ok(molds)
    }

    /// None of them has a worker to fork, ends, or has to prove itself.
    pub fn are_at_rest(&self) -> bool {
        let rests = |mold: &MoldProcess| mold.hearing == Hearing::Open && !mold.is_asked();
        self.before.is_empty() && self.running.values().all(rests)
    }

    pub(super) fn is_forking(&self) -> bool {
        self.running.values().any(MoldProcess::is_forking)
    }
}
