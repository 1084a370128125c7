//! Starts a worker: by a fork of the master, or by a request to its mold.

use std::sync::Arc;

use super::child::ChildContext;
use super::fork::{begin_child, fork};
use super::generation::{GenerationConfig, logs};
use super::loop_control::{End, LoopControl};
use super::shell::Shell;
use super::supervisor::{Generation, Incarnation, Slot};
use super::worker_init::{FAILED_TO_BOOT, WorkerInit};
use super::workers::WorkerProcess;
use super::{Error, memory, molds};
use crate::ipc::{self, HeldGeneration, Page, Transfers, WorkerChannel};
use crate::sys::process::Fork;
use crate::sys::{MemFile, Pid};

pub fn start(
    shell: &mut Shell<'_>,
    incarnation: Incarnation,
    slot: Slot,
    generation: Generation,
) -> Result<LoopControl, Error> {
    let generation_config = shell.generations.config(generation)?;
    if generation_config.settings.uses_mold() {
        molds::request_worker(shell, incarnation, slot, generation)?;
        return Ok(LoopControl::Go);
    }
    let listeners = &mut shell.listening.listeners;
    listeners.prepare(slot.0, &generation_config.listeners);
    let (ours, theirs) = ipc::channel()?;
    let stacks = MemFile::new(c"rgun-stacks")?;
    let their_stacks = stacks.again()?;
    let page = shell
        .fleet
        .scoreboard
        .acquire(slot.0, u64::from(generation.0))?;
    let master = Pid::this();
    match fork(shell.host) {
        Ok(Fork::Child) => {
            let started = begin_child(shell.host);
            if let Err(error) = started {
                tracing::error!(%error, "worker not started");
                return Ok(LoopControl::End(End::ChildSetupFailed(FAILED_TO_BOOT)));
            }
            let ends = (theirs, their_stacks);
            let worker_init = worker_init(
                shell,
                (incarnation, slot),
                generation,
                &generation_config,
                ends,
                page,
                master,
            );
            Ok(LoopControl::End(match worker_init {
                Some(worker_init) => End::Child(Box::new(ChildContext {
                    worker_init,
                    logs: logs(&shell.generations.logging, &generation_config.settings),
                    identity: shell.fleet.identity.clone(),
                    generation_config,
                })),
                None => End::ChildSetupFailed(FAILED_TO_BOOT),
            }))
        }
        Ok(Fork::Parent { child: pid }) => {
            page.set_pid(u64::try_from(pid.as_raw()).unwrap_or(0));
            tracing::debug!(
                slot = slot.0,
                generation = generation.0,
                pid = pid.as_raw(),
                "worker started"
            );
            memory::give_up_first(&shell.supervisor, pid);
            let worker = WorkerProcess::new((slot, generation), pid, ours, page, stacks);
            shell.fleet.workers.insert(incarnation, worker);
            Ok(LoopControl::Go)
        }
        Err(error) => {
            shell.fleet.scoreboard.free(page);
            Err(error.into())
        }
    }
}

/// In the child: takes what a worker needs before the rest is dropped.
fn worker_init(
    shell: &mut Shell<'_>,
    (incarnation, slot): (Incarnation, Slot),
    generation: Generation,
    generation_config: &GenerationConfig,
    (channel, stacks): (WorkerChannel, MemFile),
    page: Page,
    master: Pid,
) -> Option<WorkerInit> {
    let mut listeners = (shell.listening.listeners).take(slot.0, &generation_config.listeners);
    // The last ones: they are the first to be closed.
    listeners.extend(shell.listening.previews.part_of(generation));
    Some(WorkerInit {
        slot: slot.0,
        age: incarnation.0,
        leadership: shell.fleet.scoreboard.leadership(incarnation.0)?,
        generation: u64::from(generation.0),
        settings: Arc::clone(&generation_config.settings),
        listeners,
        transfers: generation_config
            .transfers
            .clone()
            .map(|channel| Transfers::new(channel, shell.fleet.scoreboard.board(), page)),
        held: generation_config
            .previews
            .clone()
            .and_then(|channel| HeldGeneration::new(channel, shell.fleet.scoreboard.board(), page)),
        certificates: shell.listening.shared_certificates(generation_config),
        channel,
        lifeline: shell.fleet.lifeline.read.take()?,
        page,
        stacks,
        loaded_files: shell.helpers.watcher.take_loaded_files(),
        mold: None,
        master,
    })
}
