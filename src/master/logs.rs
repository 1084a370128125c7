//! The log files of the whole server: opened again after a rotation, and changed by a reload.

use std::sync::Arc;

use super::generation::{Logs, logs};
use super::generations::Generations;
use super::helper_processes::HelperProcesses;
use super::molds::Molds;
use super::monitor_process::MonitorHelper;
use super::supervisor::Generation;
use super::worker_processes::WorkerProcesses;
use crate::ipc::{ToMold, ToWorker};
use crate::observability;

/// The master first: it creates the new files, and errors about them are logged to the new file.
pub fn reopen(fleet: &WorkerProcesses, helpers: &mut HelperProcesses, molds: &Molds) {
    match observability::reopen() {
        Ok(()) => tracing::info!("log files reopened"),
        Err(error) => tracing::error!(%error, "log files not reopened"),
    }
    helpers.companions.reopen_logs();
    give(fleet);
    for (_, worker) in fleet.workers.iter() {
        worker.send(&ToWorker::ReopenLogs);
    }
    molds.tell(&ToMold::ReopenLogs);
    helpers.monitor.renew();
}

pub fn give(fleet: &WorkerProcesses) {
    if let Some(identity) = &fleet.identity {
        observability::give_files(identity);
    }
}

/// The workers of that generation have opened their logs in their boot; now the master switches to them, too.
pub fn follow(
    fleet: &WorkerProcesses,
    generations: &mut Generations<'_>,
    monitor: &mut MonitorHelper,
    generation: Generation,
) {
    let Some(generation_config) = generations.get(generation) else {
        return;
    };
    if logs(&generations.logging, &generation_config.settings) == Logs::Open {
        return;
    }
    match observability::start(&generation_config.settings) {
        Ok(()) => {
            generations.logging = Arc::clone(&generation_config.settings);
            observability::lookups::keep(&generations.logging.logging);
            give(fleet);
            monitor.renew();
        }
        Err(error) => tracing::error!(%error, "cannot switch logs, keeping the old ones"),
    }
}
