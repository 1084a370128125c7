//! The watcher of `--reload` as the master's child: started, read, restarted. Its messages become events.

use std::path::PathBuf;

use super::helper_init::HelperInit;
use super::names;
use super::shell::{End, LoopControl, Shell};
use super::supervisor::{Event, Helper, HelperEnd};
use super::watcher_process::WatcherProcess;
use crate::observability;
use crate::sys::process::{Fork, fork};
use crate::sys::{Packet, Pid, exit_now, packet_pair, receive_packet};
use crate::watcher::{ChangeReport, LONGEST, WatcherInit};

impl Shell<'_> {
    pub(super) fn start_watcher(&mut self) -> LoopControl {
        match self.start_lookout() {
            Ok(flow) => flow,
            Err(error) => {
                tracing::error!(%error, "file watcher not started");
                self.helper_ended(Helper::Watcher, HelperEnd::Failed);
                LoopControl::Go
            }
        }
    }

    fn start_lookout(&mut self) -> crate::sys::Result<LoopControl> {
        let Some(settings) = self.generations.first.reload.clone() else {
            return Ok(LoopControl::Go);
        };
        let (reports, theirs) = packet_pair(LONGEST)?;
        if self.helpers.watcher.loaded_files.is_none() {
            self.helpers.watcher.loaded_files = Some(packet_pair(LONGEST)?);
        }
        let generation = self.supervisor.generation();
        let project = self
            .generations
            .generation_configs
            .get(&generation)
            .map_or_else(
                || self.generations.start.clone(),
                |generation_config| PathBuf::from(generation_config.directory()),
            );
        let master = Pid::this();
        self.host.before_fork();
        match fork() {
            Ok(Fork::Child) => {
                observability::after_fork();
                let loaded_files = self
                    .helpers
                    .watcher
                    .loaded_files
                    .take()
                    .map(|(_, watchers_end)| watchers_end);
                let helper_init = loaded_files.map(|loaded_files| HelperInit {
                    post: WatcherInit {
                        settings,
                        project,
                        reports: theirs,
                        loaded_files,
                    },
                    identity: self.fleet.identity.clone(),
                    master,
                    title: names::watcher(&self.generations.first),
                });
                Ok(LoopControl::End(End::Watcher(helper_init.map(Box::new))))
            }
            Ok(Fork::Parent { child: pid }) => {
                self.host.after_fork_parent();
                tracing::debug!(pid = pid.as_raw(), "file watcher started");
                self.helpers.watcher.running = Some(WatcherProcess {
                    pid,
                    reports,
                    dismissed: false,
                });
                Ok(LoopControl::Go)
            }
            Err(error) => {
                self.host.after_fork_parent();
                Err(error)
            }
        }
    }

    /// All messages of the watcher become one event.
    pub(super) fn hear_lookout(&mut self) {
        let Some(running) = &self.helpers.watcher.running else {
            return;
        };
        let mut buffer = vec![0; LONGEST];
        let mut heard: Option<ChangeReport> = None;
        loop {
            match receive_packet(&running.reports, &mut buffer) {
                Ok(Packet::Message(length)) => {
                    let report = buffer.get(..length).and_then(ChangeReport::decode);
                    heard = match (heard, report) {
                        (Some(first), Some(more)) => Some(ChangeReport {
                            files: first.files.saturating_add(more.files),
                            ..first
                        }),
                        (heard, report) => heard.or(report),
                    };
                }
                // Closed: its exit is the event.
                Ok(Packet::TooLong(_) | Packet::Nothing | Packet::Closed) => break,
                Err(error) => {
                    tracing::warn!(%error, "cannot read from the file watcher");
                    break;
                }
            }
        }
        if let Some(ChangeReport { files, first }) = heard {
            tracing::info!(file = first, files, "files changed");
            self.events.pending.push_back(Event::Changed);
        }
    }
}

/// Main function of the child.
pub fn serve(helper_init: Option<HelperInit<WatcherInit>>) -> ! {
    match helper_init {
        Some(helper_init) => helper_init.serve("rgun: watcher", crate::watcher::run),
        None => exit_now(1),
    }
}
