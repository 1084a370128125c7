//! What the master requests of a mold, and what it reports: each worker is forked by it and taken over here.

use std::io;

use super::process::Unborn;
use crate::ipc::{self, FromMold, Incoming, Page, ToWorker};
use crate::master::Error;
use crate::master::child_signal::deliver;
use crate::master::shell::{Shell, boot_phase};
use crate::master::supervisor::{Event, Generation, Incarnation, MoldMessage, Slot};
use crate::master::workers::{Hearing, Killed, WorkerFailure, WorkerProcess, exit};
use crate::sys::process::{Parentage, whose_child};
use crate::sys::signals::SignalNumber;
use crate::sys::{self, MemFile, Pid};

/// A mold that sends without end is read in turns with the others.
const MESSAGES_A_TURN: usize = 16;

impl Shell<'_> {
    /// Requests a worker from its generation's mold, which forks it and reports its pid.
    pub(in crate::master) fn ask_mold(
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

    pub(super) fn not_forked(&mut self, incarnation: Incarnation, page: Page) {
        self.fleet.scoreboard.free(page);
        self.events
            .pending
            .push_back(Event::SpawnFailed { incarnation });
    }

    /// Ends a worker without a process.
    pub(in crate::master) fn withdraw(&mut self, incarnation: Incarnation, signal: SignalNumber) {
        let mut molds = self.molds.running.values_mut();
        let unborn = molds.find_map(|mold| mold.withdraw(incarnation, signal));
        if let Some(unborn) = unborn {
            self.not_forked(incarnation, unborn.page);
        }
    }

    /// Reads messages of a mold, or continues writing to it.
    pub(in crate::master) fn hear_mold(&mut self, generation: Generation, most: usize) {
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

    pub(in crate::master) fn hear_mold_in_turn(&mut self, generation: Generation) {
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
}
