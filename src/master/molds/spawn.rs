//! Forks the mold of a generation.

use super::child::MoldChild;
use super::hooks;
use super::process::MoldProcess;
use super::start::MoldInit;
use crate::ipc::{self, MoldChannel};
use crate::master::Error;
use crate::master::fork::{begin_child, fork};
use crate::master::generation::{GenerationConfig, logs};
use crate::master::loop_control::{End, LoopControl};
use crate::master::shell::Shell;
use crate::master::supervisor::{BootFailure, Event, Generation};
use crate::master::worker_init::FAILED_TO_BOOT;
use crate::sys::Pid;
use crate::sys::process::{Fork, become_subreaper};

pub fn start(shell: &mut Shell<'_>, generation: Generation) -> LoopControl {
    shell.molds.failures.remove(&generation);
    match fork_mold(shell, generation) {
        Ok(flow) => flow,
        Err(error) => {
            tracing::error!(generation = generation.0, %error, "mold not started");
            let why = BootFailure::NotSpawned;
            shell.events.push(Event::MoldEnded { generation, why });
            LoopControl::Go
        }
    }
}

fn fork_mold(shell: &mut Shell<'_>, generation: Generation) -> Result<LoopControl, Error> {
    // A mold's children must become ours.
    become_subreaper()?;
    let generation_config = shell.generations.config(generation)?;
    let (handle, channel) = ipc::mold_channel()?;
    let master = Pid::this();
    match fork(shell.host) {
        Ok(Fork::Child) => {
            let started = begin_child(shell.host);
            drop(handle);
            let init = mold_init(shell, generation, generation_config, channel, master);
            Ok(LoopControl::End(match (started, init) {
                (Ok(()), Some(init)) => End::Mold(Box::new(init)),
                _ => End::ChildSetupFailed(FAILED_TO_BOOT),
            }))
        }
        Ok(Fork::Parent { child: pid }) => {
            tracing::debug!(
                generation = generation.0,
                pid = pid.as_raw(),
                "mold started"
            );
            let mold = MoldProcess::new(pid, handle);
            shell.molds.running.insert(generation, mold);
            Ok(LoopControl::Go)
        }
        Err(error) => Err(error.into()),
    }
}

/// In the child: takes what a mold needs before the rest is dropped.
fn mold_init(
    shell: &mut Shell<'_>,
    generation: Generation,
    generation_config: GenerationConfig,
    channel: MoldChannel,
    master: Pid,
) -> Option<MoldInit> {
    let previews = shell.listening.previews.of(generation);
    let previews = previews.into_iter().flat_map(|binds| &binds.listeners);
    let previews = previews.map(|one| (one.address.clone(), one.protection, one.audience));
    let listeners = &shell.listening.listeners;
    let mut addresses = listeners.facts(&generation_config.listeners);
    addresses.extend(previews);
    Some(MoldInit {
        logs: logs(&shell.generations.logging, &generation_config.settings),
        mold: MoldChild {
            settings: generation_config.settings.clone(),
            hooks: hooks::begin(
                &shell.fleet.workers,
                &shell.supervisor,
                generation,
                generation_config.settings.workers,
            ),
            generation: u64::from(generation.0),
            identity: shell.fleet.identity.clone(),
            channel,
            lifeline: shell.fleet.lifeline.read.take()?,
            board: shell.fleet.scoreboard.board(),
            loaded_files: shell.helpers.watcher.take_loaded_files(),
            transfers: generation_config.transfers.clone(),
            previews: generation_config.previews.clone(),
            certificates: shell.listening.shared_certificates(&generation_config),
            addresses,
            master,
        },
        generation_config,
    })
}
