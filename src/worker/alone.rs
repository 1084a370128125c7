//! A worker in a process without a master: for `--check-config` and `--in-process`. A small thread stands in for the
//! master.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

use crate::config::Settings;
use crate::ipc::{
    self, DrainReason, FromWorker, Incoming, MasterChannel, Phase, Scoreboard, ToWorker,
};
use crate::master::{WorkerInit, for_a_server_without_master};
use crate::sys::{self, Listener, MemFile, Pid, wait_readable, with_signals_blocked};

/// Longest grace for in-flight requests of a server that ends with its program.
const AT_EXIT: Duration = Duration::from_secs(5);

/// There is one, ever.
const AGE: u64 = 1;

/// What the worker is for.
#[derive(Debug)]
pub enum WorkerPurpose {
    /// It exits as soon as it is ready.
    Check,
    /// It exits on a signal, or once this descriptor is readable.
    Serve(Option<OwnedFd>),
}

/// The thread that stands in for the master.
pub struct StandIn {
    thread: JoinHandle<Option<(Phase, String)>>,
    /// Written to end the thread. That it is closed would not be seen where the app has forked a process, which has
    /// it open, too.
    stop: File,
}

/// Creates a worker's context for this process, and the stand-in at the other end of its channel.
pub fn begin(
    settings: &Arc<Settings>,
    listeners: Vec<Listener>,
    purpose: WorkerPurpose,
) -> io::Result<(WorkerInit, StandIn)> {
    let (master, worker) = ipc::channel().map_err(io::Error::other)?;
    let (lifeline, alive) = sys::pipe().map_err(io::Error::other)?;
    let (stopped, stop) = sys::pipe().map_err(io::Error::other)?;
    let board = Scoreboard::create(1).map_err(io::Error::other)?;
    let page = board.acquire(0, 1).map_err(io::Error::other)?;
    // Where there is one worker, it is the leader.
    board.set_leader(Some(AGE));
    let worker_init = WorkerInit {
        slot: 0,
        age: AGE,
        leadership: board
            .leadership(AGE)
            .ok_or_else(|| io::Error::other("a scoreboard without a header"))?,
        generation: 1,
        settings: Arc::clone(settings),
        listeners,
        transfers: None,
        held: None,
        certificates: for_a_server_without_master(settings).map_err(io::Error::other)?,
        channel: worker,
        lifeline,
        page,
        stacks: MemFile::new(c"rgun-stacks").map_err(io::Error::other)?,
        loaded_files: None,
        mold: None,
        master: Pid::this(),
    };
    let mut attending = Attending {
        channel: master,
        finished: stopped,
        graceful: settings.graceful_timeout,
        leave: None,
        phase: Serving::Boots,
    };
    match purpose {
        WorkerPurpose::Serve(leave) => attending.leave = leave,
        WorkerPurpose::Check => attending.phase = Serving::BootsToLeave,
    }
    let thread = with_signals_blocked(|| {
        Builder::new()
            .name("rgun-stand-in".into())
            .stack_size(128 * 1024)
            .spawn(move || {
                let complaint = attending.run();
                // The sentinel sees EOF on both, after `CommandQueue::finish`.
                drop((attending, alive));
                complaint
            })
    })??;
    let stop = File::from(stop);
    Ok((worker_init, StandIn { thread, stop }))
}

impl StandIn {
    /// The worker has ended: returns why it was not ready, if it has reported that.
    pub fn finish(mut self) -> Option<(Phase, String)> {
        // The pipe is empty, and the thread has its other end.
        let _ = self.stop.write_all(b"x");
        self.thread.join().ok().flatten()
    }
}

/// State of the worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Serving {
    Boots,
    /// A command before it is ready would end the process.
    BootsToLeave,
    Ready,
}

/// State of the stand-in's thread.
struct Attending {
    channel: MasterChannel,
    /// Readable when the worker has ended.
    finished: OwnedFd,
    /// Readable when the worker is to exit; `None`: it was read already, or only signals end it.
    leave: Option<OwnedFd>,
    graceful: Duration,
    phase: Serving,
}

impl Attending {
    /// Answers the worker until it has ended and nothing is left to read; returns why it was not ready, if it has
    /// reported that.
    fn run(&mut self) -> Option<(Phase, String)> {
        let mut complaint = None;
        let mut last = false;
        loop {
            match self.channel.receive() {
                Ok(Incoming::Message(FromWorker::Ready)) => self.answer(),
                Ok(Incoming::Message(FromWorker::Failed { phase, summary, .. })) => {
                    complaint = Some((phase, summary));
                }
                Ok(Incoming::Message(_)) => {}
                Ok(Incoming::Nothing) if last => return complaint,
                Ok(Incoming::Nothing) => last = self.wait(),
                Ok(Incoming::Closed) | Err(_) => return complaint,
            }
        }
    }

    fn answer(&mut self) {
        if self.phase == Serving::BootsToLeave {
            return self.drain(self.graceful);
        }
        self.phase = Serving::Ready;
        self.send(&ToWorker::Go);
        // As the master logs it, for scripts that wait for these lines.
        tracing::info!(
            slot = 0,
            generation = 1,
            pid = std::process::id(),
            "worker ready"
        );
        tracing::info!(workers = 1, "all workers ready");
    }

    /// Whether the worker has ended.
    fn wait(&mut self) -> bool {
        let descriptors: Vec<_> = [self.finished.as_fd(), self.channel.as_fd()]
            .into_iter()
            .chain(self.leave.as_ref().map(AsFd::as_fd))
            .collect();
        let Ok(ready) = wait_readable(&descriptors, None) else {
            return false;
        };
        if ready.get(2) == Some(&true) {
            self.leave = None;
            match self.phase {
                Serving::Ready => self.drain(self.graceful.min(AT_EXIT)),
                Serving::Boots | Serving::BootsToLeave => self.phase = Serving::BootsToLeave,
            }
        }
        ready.first() == Some(&true)
    }

    fn drain(&self, graceful: Duration) {
        self.send(&ToWorker::Drain {
            reason: DrainReason::Shutdown,
            graceful_ms: u64::try_from(graceful.as_millis()).unwrap_or(u64::MAX),
        });
    }

    fn send(&self, message: &ToWorker) {
        if let Err(error) = self.channel.send(message) {
            tracing::error!(%error, "cannot send to the worker");
        }
    }
}
