//! The workers' processes, and what all of them get.

use std::os::fd::OwnedFd;

use super::Error;
use super::canary_window::CanaryWindow;
use super::scaling::LoadWindow;
use super::workers::Workers;
use crate::ipc::{Scoreboard, ToWorker};
use crate::sys::{Identity, OutOfMemory};

pub struct WorkerProcesses {
    pub workers: Workers,
    pub scoreboard: Scoreboard,
    pub lifeline: Lifeline,
    /// The user of the workers, if it is not that of the master.
    pub identity: Option<Identity>,
    /// The available memory, and the kernel's out-of-memory kills.
    pub memory: OutOfMemory,
    pub canary: CanaryWindow,
    /// Where their number follows the load.
    pub load: LoadWindow,
}

impl WorkerProcesses {
    /// None runs yet.
    ///
    /// # Errors
    /// The scoreboard or the lifeline cannot be made.
    pub fn new(pages: usize, identity: Option<Identity>) -> Result<Self, Error> {
        Ok(Self {
            workers: Workers::default(),
            scoreboard: Scoreboard::create(pages)?,
            lifeline: Lifeline::new()?,
            identity,
            memory: OutOfMemory::of_this_process(),
            canary: CanaryWindow::default(),
            load: LoadWindow::default(),
        })
    }

    pub fn tell_all(&self, message: &ToWorker) {
        for (_, worker) in self.workers.iter() {
            worker.send(message);
        }
    }
}

/// A pipe that is never written to. While the master lives, it is not readable; afterwards, it returns EOF.
pub struct Lifeline {
    pub read: Option<OwnedFd>,
    write: OwnedFd,
}

impl Lifeline {
    fn new() -> Result<Self, Error> {
        let (read, write) = crate::sys::pipe()?;
        Ok(Self {
            read: Some(read),
            write,
        })
    }

    /// Both ends, for a program that goes on in this one's place.
    pub fn ends(&self) -> Option<(&OwnedFd, &OwnedFd)> {
        self.read.as_ref().map(|read| (read, &self.write))
    }

    pub fn restore(read: OwnedFd, write: OwnedFd) -> Self {
        Self {
            read: Some(read),
            write,
        }
    }
}
