//! The monitor's process, as the master knows it.

use super::binds::Binds;
use super::event_text::ExitText;
use super::helper_exit::how;
use super::supervisor::HelperEnd;
use super::workers;
use crate::ipc::{Queue, ServiceFacts};
use crate::sys::Pid;
use crate::sys::process::{ProcessExit, kill};
use crate::sys::signals::SignalNumber;

/// Without an address to listen at there is no monitor.
#[derive(Debug, Default)]
pub struct MonitorHelper {
    /// The addresses to listen at. The master's copies, kept when the monitor is restarted.
    pub binds: Binds,
    pub(super) running: Option<MonitorProcess>,
    pub(super) queues: [Queue; ServiceFacts::QUEUES],
    pub(super) queues_at_ms: u64,
    pub(super) started: bool,
}

#[derive(Debug)]
pub(super) struct MonitorProcess {
    pub(super) pid: Pid,
    pub(super) exit: ExitCause,
}

/// What its exit will mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExitCause {
    /// It was not caused by us.
    Own,
    /// Another one takes its place, or the server ends.
    Renewed,
    /// It hung, and was killed.
    Hung,
}

impl MonitorHelper {
    pub fn is_running(&self) -> bool {
        self.running.is_some()
    }

    /// `None`: the process was not the monitor.
    pub fn ended(&mut self, pid: Pid, exit: ProcessExit) -> Option<HelperEnd> {
        let running = self.running.take_if(|running| running.pid == pid)?;
        match running.exit {
            ExitCause::Renewed => return Some(HelperEnd::Renewed),
            // Logged when it was found.
            ExitCause::Hung => return Some(HelperEnd::Failed),
            ExitCause::Own => {}
        }
        let ended = ExitText(workers::exit(exit));
        tracing::error!(pid = pid.as_raw(), exit = %ended, "monitor died");
        Some(how(exit))
    }

    /// Its process, for a program that goes on in this one's place.
    pub fn pid(&self) -> Option<Pid> {
        self.running.as_ref().map(|running| running.pid)
    }

    /// The one that the program before has started.
    pub fn restore(&mut self, pid: Pid) {
        let exit = ExitCause::Own;
        self.running = Some(MonitorProcess { pid, exit });
    }

    /// Ends it so that another one is started at once, with the log that is open now.
    pub fn renew(&mut self) {
        self.kill(ExitCause::Renewed);
    }

    pub fn kill(&mut self, exit: ExitCause) {
        if let Some(running) = &mut self.running {
            running.exit = exit;
            drop(kill(running.pid, SignalNumber::KILL));
        }
    }

    /// The server has ended, and its workers with it. A successor may bind the monitor's address at once: so it must
    /// have exited, not just have been killed. Its exit is an event like any other.
    pub fn dismiss(&mut self) {
        // It would exit by itself, once it sees that the master is gone; a service manager should not have to wait.
        self.renew();
        self.binds.close();
    }
}
