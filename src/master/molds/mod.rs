//! The molds of the master: processes that the workers of a generation are forked from. Started, asked to fork, read
//! and ended here.

mod child;
mod hooks;
mod process;
mod refork;
mod running;
mod seed;
mod start;

pub use child::{ForkRequest, Forked, MoldChild, MoldRequest, Newborn};
pub use running::{Molds, MoldsState};
pub use seed::MoldSeed;
pub use start::{MoldInit, live};

use std::io;

use self::process::{MoldProcess, Unborn};
use super::Error;
use super::child_signal::deliver;
use super::generation::{GenerationConfig, logs};
use super::shell::{End, LoopControl, Shell, boot_phase};
use super::supervisor::{BootFailure, Event, Generation, Incarnation, MoldMessage, Slot};
use super::worker_init::FAILED_TO_BOOT;
use super::workers::{Hearing, Killed, WorkerFailure, WorkerProcess, exit};
use crate::ipc::{self, FromMold, Incoming, MoldChannel, Page, ToMold, ToWorker};
use crate::observability;
use crate::sys::process::{Fork, Parentage, ProcessExit, become_subreaper, fork, whose_child};
use crate::sys::signals::{SignalNumber, start_as_child};
use crate::sys::{self, MemFile, Pid};

/// A mold that sends without end is read in turns with the others.
const MESSAGES_A_TURN: usize = 16;

impl Shell<'_> {
    pub(super) fn start_mold(&mut self, generation: Generation) -> LoopControl {
        self.molds.failures.remove(&generation);
        match self.fork_mold(generation) {
            Ok(flow) => flow,
            Err(error) => {
                tracing::error!(generation = generation.0, %error, "mold not started");
                let why = BootFailure::NotSpawned;
                self.events
                    .pending
                    .push_back(Event::MoldEnded { generation, why });
                LoopControl::Go
            }
        }
    }

    fn fork_mold(&mut self, generation: Generation) -> Result<LoopControl, Error> {
        // A mold's children must become ours.
        become_subreaper()?;
        let generation_config = self.generation_config(generation)?;
        let (handle, channel) = ipc::mold_channel()?;
        let master = Pid::this();
        self.host.before_fork();
        match fork() {
            Ok(Fork::Child) => {
                observability::after_fork();
                let started = start_as_child();
                sys::restore_descriptor_limit();
                self.host.after_fork_child();
                drop(handle);
                let init = self.mold_init(generation, generation_config, channel, master);
                Ok(LoopControl::End(match (started, init) {
                    (Ok(()), Some(init)) => End::Mold(Box::new(init)),
                    _ => End::ChildSetupFailed(FAILED_TO_BOOT),
                }))
            }
            Ok(Fork::Parent { child: pid }) => {
                self.host.after_fork_parent();
                tracing::debug!(
                    generation = generation.0,
                    pid = pid.as_raw(),
                    "mold started"
                );
                let mold = MoldProcess::new(pid, handle);
                self.molds.running.insert(generation, mold);
                Ok(LoopControl::Go)
            }
            Err(error) => {
                self.host.after_fork_parent();
                Err(error.into())
            }
        }
    }

    /// In the child: takes what a mold needs before the rest is dropped.
    fn mold_init(
        &mut self,
        generation: Generation,
        generation_config: GenerationConfig,
        channel: MoldChannel,
        master: Pid,
    ) -> Option<MoldInit> {
        let previews = self.listening.previews.of(generation);
        let previews = previews.into_iter().flat_map(|binds| &binds.listeners);
        let previews = previews.map(|one| (one.address.clone(), one.protection, one.audience));
        let listeners = &self.listening.listeners;
        let mut addresses = listeners.facts(&generation_config.listeners);
        addresses.extend(previews);
        Some(MoldInit {
            logs: logs(&self.generations.logging, &generation_config.settings),
            mold: MoldChild {
                settings: generation_config.settings.clone(),
                hooks: self.hooks_begin(generation, generation_config.settings.workers),
                generation: u64::from(generation.0),
                identity: self.fleet.identity.clone(),
                channel,
                lifeline: self.fleet.lifeline.read.take()?,
                board: self.fleet.scoreboard.board(),
                loaded_files: self.helpers.watcher.take_loaded_files(),
                transfers: generation_config.transfers.clone(),
                previews: generation_config.previews.clone(),
                certificates: self.shared_certificates(&generation_config),
                addresses,
                master,
            },
            generation_config,
        })
    }

    /// Requests a worker from its generation's mold, which forks it and reports its pid.
    pub(super) fn ask_mold(
        &mut self,
        incarnation: Incarnation,
        slot: Slot,
        generation: Generation,
    ) -> Result<(), Error> {
        let set = self.listener_set(generation);
        self.listening.listeners.prepare(slot.0, &set);
        let mut listeners = self.listening.listeners.copies_for(slot.0, &set)?;
        if let Some(previews) = self.listening.previews.of(generation) {
            // The last ones, as in the mold's list: they are the first to be closed.
            listeners.extend(previews.copies()?);
        }
        let channel = ipc::channel()?;
        let stacks = MemFile::new(c"rgun-stacks")?;
        let their_stacks = stacks.again()?;
        let board = &self.fleet.scoreboard;
        let page = board.acquire(slot.0, u64::from(generation.0))?;
        let number = board.number_of(page);
        let Some(mold) = self.molds.running.get_mut(&generation) else {
            board.free(page);
            let gone = io::Error::other("its mold has ended");
            return Err(sys::Error::new("fork", "", gone).into());
        };
        mold.ask(Unborn::new(
            incarnation,
            slot,
            channel,
            (page, number),
            (stacks, their_stacks),
            listeners,
        ));
        self.advance_mold(generation);
        Ok(())
    }

    fn advance_mold(&mut self, generation: Generation) {
        while let Some(mold) = self.molds.running.get_mut(&generation)
            && let Some((unborn, error)) = mold.advance()
        {
            tracing::error!(slot = unborn.slot.0, %error, "worker not started");
            self.not_forked(unborn.incarnation, unborn.page);
        }
        if !self.molds.is_forking() {
            self.molds.orphans.clear();
        }
    }

    fn not_forked(&mut self, incarnation: Incarnation, page: Page) {
        self.fleet.scoreboard.free(page);
        self.events
            .pending
            .push_back(Event::SpawnFailed { incarnation });
    }

    /// Ends a worker without a process.
    pub(super) fn withdraw(&mut self, incarnation: Incarnation, signal: SignalNumber) {
        let mut molds = self.molds.running.values_mut();
        let unborn = molds.find_map(|mold| mold.withdraw(incarnation, signal));
        if let Some(unborn) = unborn {
            self.not_forked(incarnation, unborn.page);
        }
    }

    pub(super) fn kill_mold(&self, generation: Generation) {
        if let Some(mold) = self.molds.running.get(&generation) {
            tracing::warn!(
                generation = generation.0,
                pid = mold.pid.as_raw(),
                "killing mold"
            );
            deliver(mold.pid, SignalNumber::KILL);
        }
    }

    /// Reads messages of a mold, or continues writing to it.
    pub(super) fn hear_mold(&mut self, generation: Generation, most: usize) {
        for _ in 0..most {
            let Some(mold) = self.molds.running.get_mut(&generation) else {
                return;
            };
            if mold.hearing == Hearing::Closed {
                return;
            }
            match mold.handle.receive() {
                Ok(Incoming::Message(message)) => self.take_mold_message(generation, message),
                Ok(Incoming::Nothing) => break,
                Ok(Incoming::Closed) => {
                    mold.hearing = Hearing::Closed;
                    return;
                }
                Err(error) => {
                    mold.hearing = Hearing::Closed;
                    self.distrust_mold(generation, &error.to_string());
                    return;
                }
            }
        }
        self.advance_mold(generation);
    }

    pub(super) fn hear_mold_in_turn(&mut self, generation: Generation) {
        self.hear_mold(generation, MESSAGES_A_TURN);
    }

    fn take_mold_message(&mut self, generation: Generation, message: FromMold) {
        let message = match message {
            FromMold::Ready => MoldMessage::Ready,
            FromMold::Failed {
                phase,
                summary,
                traceback,
            } => {
                let failure = WorkerFailure {
                    phase,
                    summary,
                    traceback,
                };
                self.molds.failures.insert(generation, failure);
                MoldMessage::Failed {
                    phase: boot_phase(phase),
                }
            }
            FromMold::Forked { incarnation, pid } => {
                return self.take_forked(generation, Incarnation(incarnation), pid);
            }
            FromMold::NotForked {
                incarnation,
                reason,
            } => {
                let incarnation = Incarnation(incarnation);
                let Some(unborn) = self.answered(generation, incarnation) else {
                    return;
                };
                tracing::error!(slot = unborn.slot.0, error = reason, "worker not started");
                return self.not_forked(incarnation, unborn.page);
            }
        };
        self.events.pending.push_back(Event::Mold {
            generation,
            message,
        });
    }

    fn answered(&mut self, generation: Generation, incarnation: Incarnation) -> Option<Unborn> {
        let mold = self.molds.running.get_mut(&generation)?;
        let unborn = mold.answered(incarnation);
        if unborn.is_none() {
            self.distrust_mold(generation, "it names a worker that it was not asked for");
        }
        unborn
    }

    fn distrust_mold(&self, generation: Generation, error: &str) {
        if let Some(mold) = self.molds.running.get(&generation) {
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

    /// Only a process that is our child is accepted as the worker: a mold is not trusted with other pids.
    fn take_forked(&mut self, generation: Generation, incarnation: Incarnation, pid: i32) {
        let Some(unborn) = self.answered(generation, incarnation) else {
            return;
        };
        let named = Pid::new(pid).filter(|pid| self.fleet.workers.with_pid(*pid).is_none());
        let dead = named.and_then(|pid| self.molds.orphans.remove(&pid));
        let Some(pid) = named.filter(|pid| dead.is_some() || whose_child(*pid) == Parentage::Ours)
        else {
            self.not_forked(incarnation, unborn.page);
            return self.distrust_mold(generation, "it names a process that is not its child");
        };
        tracing::debug!(
            slot = unborn.slot.0,
            generation = generation.0,
            pid = pid.as_raw(),
            "worker started"
        );
        self.events.pending.push_back(Event::Forked { incarnation });
        let Unborn {
            slot,
            channel,
            page,
            stacks,
            unwanted,
            ..
        } = unborn;
        let mut worker = WorkerProcess::new((slot, generation), pid, channel, page, stacks);
        if unwanted == Some(SignalNumber::KILL) {
            worker.killed = Killed::ByUs;
        }
        page.set_pid(u64::try_from(pid.as_raw()).unwrap_or(0));
        self.fleet.workers.insert(incarnation, worker);
        if let Some(ended) = dead {
            // It exited before it began.
            self.worker_ended(incarnation, pid, exit(ended));
            return;
        }
        self.give_up_first(pid);
        if let Some(worker) = self.fleet.workers.get(incarnation) {
            worker.send(&ToWorker::Begin);
        }
        if let Some(signal) = unwanted {
            deliver(pid, signal);
        }
    }

    /// Whether the reaped child was a mold.
    pub(super) fn was_mold(&mut self, pid: Pid, ended: ProcessExit) -> bool {
        if self.molds.leaving.remove(&pid) {
            return true;
        }
        if self.molds.before.values().any(|mold| mold.pid == pid) {
            self.molds.before.retain(|_, mold| mold.pid != pid);
            return true;
        }
        let found = self.molds.running.iter().find(|(_, mold)| mold.pid == pid);
        let Some(generation) = found.map(|(generation, _)| *generation) else {
            if self.molds.is_forking() {
                self.molds.orphans.insert(pid, ended);
            }
            return false;
        };
        // Messages that it sent before its exit come first.
        self.hear_mold(generation, usize::from(u16::MAX));
        let Some(mut mold) = self.molds.running.remove(&generation) else {
            return true;
        };
        let why = BootFailure::Exited(exit(ended));
        self.events
            .pending
            .push_back(Event::MoldEnded { generation, why });
        // A worker that it has forked and not reported sees the end of its channel, and exits.
        for unborn in mold.abandon().collect::<Vec<_>>() {
            self.not_forked(unborn.incarnation, unborn.page);
        }
        true
    }

    /// Log files were rotated, or the level was changed.
    pub(super) fn tell_molds(&self, message: &ToMold) {
        let before = self.molds.before.iter();
        let before = before.map(|(generation, mold)| (*generation, mold));
        for (generation, mold) in self.molds.iter().chain(before) {
            if let Err(error) = mold.handle.send(message, &[]) {
                tracing::debug!(generation = generation.0, ?message, %error, "message not delivered");
            }
        }
    }

    pub(super) fn end_molds(&mut self) {
        let booting = self.molds.running.iter();
        let booting =
            booting.filter(|(generation, _)| !self.supervisor.mold_is_ready(**generation));
        for (_, mold) in booting {
            deliver(mold.pid, SignalNumber::KILL);
        }
        // The hook is sent before the channel is closed.
        self.hook_exit();
        self.molds.dismiss_all();
    }
}
