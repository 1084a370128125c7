//! What a forked worker inherits from the master.

use std::os::fd::OwnedFd;
use std::sync::Arc;

use super::certificates::SharedCertificates;
use super::molds::MoldSeed;
use crate::config::Settings;
use crate::ipc;
use crate::sys::{Listener, MemFile, Pid};

/// Exit code of a worker that could not begin (gunicorn's `WORKER_BOOT_ERROR`).
pub const FAILED_TO_BOOT: u8 = 3;

/// Everything that a worker inherits from the master.
#[derive(Debug)]
pub struct WorkerInit {
    pub slot: u32,
    /// As in gunicorn: number of workers started so far, including this one.
    pub age: u64,
    /// Whether this worker is the one that does what is to be done once.
    pub leadership: ipc::Leadership,
    pub generation: u64,
    pub settings: Arc<Settings>,
    /// The worker's copies; the master keeps its own.
    pub listeners: Vec<Listener>,
    /// Where it passes connections to other workers of its generation; `None`: there are none.
    pub transfers: Option<ipc::Transfers>,
    /// Where it passes connections to workers of a generation that is held, or takes them; `None`: it does neither.
    pub held: Option<ipc::HeldGeneration>,
    /// Set if TLS is used.
    pub certificates: Option<SharedCertificates>,
    pub channel: ipc::WorkerChannel,
    /// Read end of a pipe whose write end only the master has, and never uses: EOF means that the master is gone.
    pub lifeline: OwnedFd,
    /// This incarnation's page of the scoreboard.
    pub page: ipc::Page,
    /// The file for the stacks of its threads on `DUMP_STACKS`; the master reads it.
    pub stacks: MemFile,
    /// `--reload`: the channel on which this worker reports the files that it has loaded.
    pub loaded_files: Option<OwnedFd>,
    /// With what it can become its generation's mold; `None`: it cannot.
    pub mold: Option<MoldSeed>,
    pub master: Pid,
}
