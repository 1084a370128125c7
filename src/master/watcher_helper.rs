//! The watcher of `--reload` as the master's child: started, read, restarted. Its messages become events.

use std::path::PathBuf;

use super::event_queue::EventQueue;
use super::fork::fork;
use super::helper_init::HelperInit;
use super::loop_control::{End, LoopControl};
use super::names;
use super::shell::Shell;
use super::supervisor::{Event, Helper, HelperEnd};
use super::watcher_process::{WatcherHelper, WatcherProcess};
use crate::sys::process::Fork;
use crate::sys::{Packet, Pid, exit_now, packet_pair, receive_packet};
use crate::watcher::{ChangeReport, LONGEST, WatcherInit};

pub fn start(shell: &mut Shell<'_>) -> LoopControl {
    match fork_watcher(shell) {
        Ok(flow) => flow,
        Err(error) => {
            tracing::error!(%error, "file watcher not started");
            let (helper, end) = (Helper::Watcher, HelperEnd::Failed);
            shell.events.push(Event::HelperEnded { helper, end });
            LoopControl::Go
        }
    }
}

fn fork_watcher(shell: &mut Shell<'_>) -> crate::sys::Result<LoopControl> {
    let Some(settings) = shell.generations.first.reload.clone() else {
        return Ok(LoopControl::Go);
    };
    let (reports, theirs) = packet_pair(LONGEST)?;
    if shell.helpers.watcher.loaded_files.is_none() {
        shell.helpers.watcher.loaded_files = Some(packet_pair(LONGEST)?);
    }
    let generation = shell.supervisor.generation();
    let project = shell.generations.get(generation).map_or_else(
        || shell.generations.start.clone(),
        |generation_config| PathBuf::from(generation_config.directory()),
    );
    let master = Pid::this();
    match fork(shell.host) {
        Ok(Fork::Child) => {
            let loaded_files = shell
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
                identity: shell.fleet.identity.clone(),
                master,
                title: names::watcher(&shell.generations.first),
            });
            Ok(LoopControl::End(End::Watcher(helper_init.map(Box::new))))
        }
        Ok(Fork::Parent { child: pid }) => {
            tracing::debug!(pid = pid.as_raw(), "file watcher started");
            shell.helpers.watcher.running = Some(WatcherProcess {
                pid,
                reports,
                dismissed: false,
            });
            Ok(LoopControl::Go)
        }
        Err(error) => Err(error),
    }
}

/// All messages of the watcher become one event.
pub fn receive(events: &mut EventQueue, watcher: &WatcherHelper) {
    let Some(running) = &watcher.running else {
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
        events.push(Event::Changed);
    }
}

/// Main function of the child.
pub fn serve(helper_init: Option<HelperInit<WatcherInit>>) -> ! {
    match helper_init {
        Some(helper_init) => helper_init.serve("rgun: watcher", crate::watcher::run),
        None => exit_now(1),
    }
}
