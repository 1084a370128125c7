//! The process of the file watcher, as the master knows it.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use super::event_text::ExitText;
use super::helper_exit::how;
use super::supervisor::HelperEnd;
use super::workers;
use crate::sys::Pid;
use crate::sys::process::{ProcessExit, kill};
use crate::sys::signals::SignalNumber;

/// Without `--reload` there is none.
#[derive(Debug, Default)]
pub struct WatcherHelper {
    pub(super) running: Option<WatcherProcess>,
    /// The channel on which workers report what they have loaded, and the watcher reads it; kept when the watcher is
    /// restarted.
    pub(super) loaded_files: Option<(OwnedFd, OwnedFd)>,
}

#[derive(Debug)]
pub(super) struct WatcherProcess {
    pub(super) pid: Pid,
    pub(super) reports: OwnedFd,
    /// Its exit was caused by us.
    pub(super) dismissed: bool,
}

impl WatcherHelper {
    pub fn as_fd(&self) -> Option<BorrowedFd<'_>> {
        self.running.as_ref().map(|running| running.reports.as_fd())
    }

    /// In a worker: its end of the channel.
    pub fn take_loaded_files(&mut self) -> Option<OwnedFd> {
        self.loaded_files.take().map(|(workers_end, _)| workers_end)
    }

    pub fn is_running(&self) -> bool {
        self.running.is_some()
    }

    /// `None`: the process was not the watcher.
    pub fn ended(&mut self, pid: Pid, exit: ProcessExit) -> Option<HelperEnd> {
        let running = self.running.take_if(|running| running.pid == pid)?;
        if running.dismissed {
            return Some(HelperEnd::Renewed);
        }
        let ended = ExitText(workers::exit(exit));
        tracing::error!(pid = pid.as_raw(), exit = %ended, "file watcher died");
        Some(how(exit))
    }

    /// The server has ended.
    pub fn dismiss(&mut self) {
        if let Some(running) = &mut self.running {
            running.dismissed = true;
            // It would exit when it sees that the master is gone; the kill saves the wait.
            drop(kill(running.pid, SignalNumber::KILL));
        }
    }
}
