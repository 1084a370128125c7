//! The molds that run, and those that are about to exit.

use std::collections::{BTreeMap, BTreeSet};
use std::os::fd::{AsFd, RawFd};

use serde::{Deserialize, Serialize};

use super::process::{MoldProcess, Unborn};
use crate::ipc::{self, ToMold};
use crate::master::Error;
use crate::master::child_signal::deliver;
use crate::master::descriptors::{KeptDescriptors, copy};
use crate::master::supervisor::{Generation, Incarnation};
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

    /// The one that was kept before a worker became the mold is not needed any more.
    pub fn end_before(&mut self, generation: Generation) {
        if let Some(before) = self.before.remove(&generation) {
            self.leaving.insert(before.pid);
        }
    }

    /// Log files were rotated, or the level was changed.
    pub fn tell(&self, message: &ToMold) {
        let before = self.before.iter();
        let before = before.map(|(generation, mold)| (*generation, mold));
        for (generation, mold) in self.iter().chain(before) {
            if let Err(error) = mold.handle.send(message, &[]) {
                tracing::debug!(generation = generation.0, ?message, %error, "message not delivered");
            }
        }
    }

    pub fn kill(&self, generation: Generation) {
        if let Some(mold) = self.running.get(&generation) {
            tracing::warn!(
                generation = generation.0,
                pid = mold.pid.as_raw(),
                "killing mold"
            );
            deliver(mold.pid, SignalNumber::KILL);
        }
    }

    /// The worker that it was asked for: it has forked that one, or failed to.
    pub(super) fn answered(
        &mut self,
        generation: Generation,
        incarnation: Incarnation,
    ) -> Option<Unborn> {
        let mold = self.running.get_mut(&generation)?;
        let unborn = mold.answered(incarnation);
        if unborn.is_none() {
            self.distrust(generation, "it names a worker that it was not asked for");
        }
        unborn
    }

    pub(super) fn distrust(&self, generation: Generation, error: &str) {
        if let Some(mold) = self.running.get(&generation) {
            let pid = mold.pid.as_raw();
            tracing::error!(
                generation = generation.0,
                pid,
                error,
                "invalid message from mold, killing it"
            );
            deliver(mold.pid, SignalNumber::KILL);
        }
    }

    /// The master exits, and they have not.
    pub fn kill_all(&self) {
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
