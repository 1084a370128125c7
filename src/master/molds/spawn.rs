//! Forks the mold of a generation.

use super::child::MoldChild;
use super::process::MoldProcess;
use super::start::MoldInit;
use crate::ipc::{self, MoldChannel};
use crate::master::Error;
use crate::master::generation::{GenerationConfig, logs};
use crate::master::shell::{End, LoopControl, Shell};
use crate::master::supervisor::{BootFailure, Event, Generation};
use crate::master::worker_init::FAILED_TO_BOOT;
use crate::observability;
use crate::sys::process::{Fork, become_subreaper, fork};
use crate::sys::signals::start_as_child;
use crate::sys::{self, Pid};

impl Shell<'_> {
    pub(in crate::master) fn start_mold(&mut self, generation: Generation) -> LoopControl {
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
}
