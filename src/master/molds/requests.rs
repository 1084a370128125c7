//! What the master requests of a mold, and what it reports: each worker is forked by it and taken over here.

use std::io;

use super::process::Unborn;
use super::running::Molds;
use crate::ipc::{self, FromMold, Incoming, Page, Scoreboard, ToWorker};
use crate::master::child_signal::deliver;
use crate::master::event_queue::EventQueue;
use crate::master::shell::Shell;
use crate::master::supervisor::{Event, Generation, Incarnation, MoldMessage, Slot};
use crate::master::workers::{Hearing, Killed, WorkerFailure, WorkerProcess, boot_phase, exit};
use crate::master::{Error, memory, worker_exit};
use crate::sys::process::{Parentage, whose_child};
use crate::sys::signals::SignalNumber;
use crate::sys::{self, MemFile, Pid};

/// Requests a worker from its generation's mold, which forks it and reports its pid.
pub fn request_worker(
    shell: &mut Shell<'_>,
    incarnation: Incarnation,
    slot: Slot,
    generation: Generation,
) -> Result<(), Error> {
    let set = shell.generations.listeners_of(generation);
    shell.listening.listeners.prepare(slot.0, &set);
    let mut listeners = shell.listening.listeners.copies_for(slot.0, &set)?;
    if let Some(previews) = shell.listening.previews.of(generation) {
        // The last ones, as in the mold's list: they are the first to be closed.
        listeners.extend(previews.copies()?);
    }
    let channel = ipc::channel()?;
    let stacks = MemFile::new(c"rgun-stacks")?;
    let their_stacks = stacks.again()?;
    let board = &shell.fleet.scoreboard;
    let page = board.acquire(slot.0, u64::from(generation.0))?;
    let number = board.number_of(page);
    let Some(mold) = shell.molds.running.get_mut(&generation) else {
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
    advance(
        &mut shell.events,
        &shell.fleet.scoreboard,
        &mut shell.molds,
        generation,
    );
    Ok(())
}

fn advance(
    events: &mut EventQueue,
    scoreboard: &Scoreboard,
    molds: &mut Molds,
    generation: Generation,
) {
    while let Some(mold) = molds.running.get_mut(&generation)
        && let Some((unborn, error)) = mold.advance()
    {
        tracing::error!(slot = unborn.slot.0, %error, "worker not started");
        not_forked(events, scoreboard, unborn.incarnation, unborn.page);
    }
    if !molds.is_forking() {
        molds.orphans.clear();
    }
}

pub fn not_forked(
    events: &mut EventQueue,
    scoreboard: &Scoreboard,
    incarnation: Incarnation,
    page: Page,
) {
    scoreboard.free(page);
    events.push(Event::SpawnFailed { incarnation });
}

/// Ends a worker without a process.
pub fn withdraw(
    events: &mut EventQueue,
    scoreboard: &Scoreboard,
    molds: &mut Molds,
    incarnation: Incarnation,
    signal: SignalNumber,
) {
    let mut molds = molds.running.values_mut();
    let unborn = molds.find_map(|mold| mold.withdraw(incarnation, signal));
    if let Some(unborn) = unborn {
        not_forked(events, scoreboard, incarnation, unborn.page);
    }
}

/// Reads messages of a mold, or continues writing to it.
pub fn receive(shell: &mut Shell<'_>, generation: Generation, most: usize) {
    for _ in 0..most {
        let Some(mold) = shell.molds.running.get_mut(&generation) else {
            return;
        };
        if mold.hearing == Hearing::Closed {
            return;
        }
        match mold.handle.receive() {
            Ok(Incoming::Message(message)) => take_message(shell, generation, message),
            Ok(Incoming::Nothing) => break,
            Ok(Incoming::Closed) => {
                mold.hearing = Hearing::Closed;
                return;
            }
            Err(error) => {
                mold.hearing = Hearing::Closed;
                shell.molds.distrust(generation, &error.to_string());
                return;
            }
        }
    }
    advance(
        &mut shell.events,
        &shell.fleet.scoreboard,
        &mut shell.molds,
        generation,
    );
}

fn take_message(shell: &mut Shell<'_>, generation: Generation, message: FromMold) {
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
            shell.molds.failures.insert(generation, failure);
            MoldMessage::Failed {
                phase: boot_phase(phase),
            }
        }
        FromMold::Forked { incarnation, pid } => {
            return take_forked(shell, generation, Incarnation(incarnation), pid);
        }
        FromMold::NotForked {
            incarnation,
            reason,
        } => {
            let incarnation = Incarnation(incarnation);
            let Some(unborn) = shell.molds.answered(generation, incarnation) else {
                return;
            };
            tracing::error!(slot = unborn.slot.0, error = reason, "worker not started");
            return not_forked(
                &mut shell.events,
                &shell.fleet.scoreboard,
                incarnation,
                unborn.page,
            );
        }
    };
    shell.events.push(Event::Mold {
        generation,
        message,
    });
}

/// Only a process that is our child is accepted as the worker: a mold is not trusted with other pids.
fn take_forked(shell: &mut Shell<'_>, generation: Generation, incarnation: Incarnation, pid: i32) {
    let Some(unborn) = shell.molds.answered(generation, incarnation) else {
        return;
    };
    let named = Pid::new(pid).filter(|pid| shell.fleet.workers.with_pid(*pid).is_none());
    let dead = named.and_then(|pid| shell.molds.orphans.remove(&pid));
    let Some(pid) = named.filter(|pid| dead.is_some() || whose_child(*pid) == Parentage::Ours)
    else {
        not_forked(
            &mut shell.events,
            &shell.fleet.scoreboard,
            incarnation,
            unborn.page,
        );
        return shell
            .molds
            .distrust(generation, "it names a process that is not its child");
    };
    tracing::debug!(
        slot = unborn.slot.0,
        generation = generation.0,
        pid = pid.as_raw(),
        "worker started"
    );
    shell.events.push(Event::Forked { incarnation });
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
    shell.fleet.workers.insert(incarnation, worker);
    if let Some(ended) = dead {
        // It exited before it began.
        worker_exit::handle(shell, incarnation, pid, exit(ended));
        return;
    }
    memory::give_up_first(&shell.supervisor, pid);
    if let Some(worker) = shell.fleet.workers.get(incarnation) {
        worker.send(&ToWorker::Begin);
    }
    if let Some(signal) = unwanted {
        deliver(pid, signal);
    }
}
