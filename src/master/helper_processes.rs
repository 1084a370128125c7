//! The processes that are no workers.

use super::companions::processes::CompanionProcesses;
use super::configuration::Asking;
use super::monitor_process::MonitorHelper;
use super::running_command::RunningCommand;
use super::watcher_process::WatcherHelper;

#[derive(Default)]
pub struct HelperProcesses {
    pub monitor: MonitorHelper,
    pub watcher: WatcherHelper,
    /// Reads the configuration for a reload.
    pub reader: Option<Asking>,
    /// `--beside`.
    pub companions: CompanionProcesses,
    /// `--run-before`.
    pub command: Option<RunningCommand>,
    /// They were ordered to end.
    pub ending: bool,
}

impl HelperProcesses {
    /// Also called when the reader has ended: kills the processes that it may have started.
    pub fn stop_reader(&mut self) {
        if let Some(asking) = self.reader.take() {
            asking.child.kill();
        }
    }
}
