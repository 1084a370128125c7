//! The state of a worker besides its connections: the channel to the master, its deadline, its addresses.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};
use std::thread::JoinHandle;
use std::time::Duration;

use parking_lot::Mutex;

use super::exchange::Requests;
use super::network::Network;
use super::sentinel::{CommandQueue, Sentinel};
use super::tls::{TlsListeners, TlsServer};
use crate::ipc::{FromWorker, Leadership, Phase, ScoreboardState, WorkerChannel};
use crate::master::WorkerInit;
use crate::sys::epoll::Wake;
use crate::sys::{self, MemFile, Pid};

pub struct WorkerContext {
    pub net: Arc<Network>,
    pub requests: Arc<Requests>,
    pub commands: Arc<CommandQueue>,
    pub picked: Arc<Wake>,
    /// Host and port, or path and `None`, of each listener, as ASGI's `server`.
    pub addresses: Vec<(String, Option<u16>)>,
    pub slot: u32,
    /// Number of workers started so far, including this one.
    pub age: u64,
    pub leadership: Leadership,
    pub master: Pid,
    pub generation: u64,
    /// The file that `DUMP_STACKS` writes to.
    pub stacks: MemFile,
    channel: Arc<WorkerChannel>,
    /// End of a drain's grace period, in monotonic milliseconds.
    deadline: AtomicU64,
    /// When the process exits, whatever Python does.
    end: AtomicU64,
    /// Until the process ends, or becomes a mold.
    sentinel: Mutex<Option<JoinHandle<Sentinel>>>,
    /// Threads of the app that were still busy when the time to wait for them was over.
    busy_threads: AtomicU32,
}

/// Opens the worker's context: from here on the sentinel answers the master.
pub fn open(worker_init: WorkerInit) -> io::Result<WorkerContext> {
    let tls = TlsServer::open(&worker_init.settings, worker_init.certificates)
        .map_err(io::Error::other)?;
    let mut net = Network::new(worker_init.settings.clone(), worker_init.page)?;
    net.tls = TlsListeners::new(tls, &worker_init.listeners);
    net.held = worker_init.held;
    let net = Arc::new(net);
    let requests = Arc::<Requests>::default();
    let commands = Arc::new(CommandQueue::default());
    let picked = net.intake.picked.clone();
    let channel = Arc::new(worker_init.channel);
    let addresses = worker_init
        .listeners
        .iter()
        .map(|listener| listener.address.server())
        .collect();
    let sentinel = Sentinel {
        net: net.clone(),
        requests: requests.clone(),
        listeners: worker_init.listeners.into_iter().map(Arc::new).collect(),
        transfers: worker_init.transfers,
        channel: channel.clone(),
        lifeline: worker_init.lifeline,
        picked: picked.clone(),
        commands: commands.clone(),
    };
    Ok(WorkerContext {
        sentinel: Mutex::new(Some(sentinel.spawn()?)),
        net,
        requests,
        commands,
        picked,
        addresses,
        slot: worker_init.slot,
        age: worker_init.age,
        leadership: worker_init.leadership,
        master: worker_init.master,
        generation: worker_init.generation,
        stacks: worker_init.stacks,
        channel,
        deadline: AtomicU64::new(u64::MAX),
        end: AtomicU64::new(u64::MAX),
        busy_threads: AtomicU32::new(0),
    })
}

impl WorkerContext {
    pub fn send(&self, message: &FromWorker) {
        if let Err(error) = self.channel.send(message) {
            // EOF on the lifeline reaches the sentinel too, which ends the worker.
            tracing::debug!(%error, "cannot send to the master");
        }
    }

    /// What the master names if the boot does not end.
    pub fn enter(&self, phase: Phase) {
        self.send(&FromWorker::Entered(phase));
    }

    /// Commands of the master are executed from here on, also during the ready-path request, which comes next.
    pub fn listen(&self) {
        if self.net.settings.ready_path.is_some() {
            self.enter(Phase::ReadyPath);
        }
        self.commands.listen();
    }

    pub fn ready(&self) {
        // Importing the app has left unused memory.
        sys::trim();
        // Before its event loop turns for the first time.
        self.net.page.beat(sys::monotonic_ms());
        self.net.page.set_state(ScoreboardState::Ready);
        self.send(&FromWorker::Ready);
    }

    pub fn was_ready(&self) -> bool {
        let state = self.net.page.state();
        matches!(
            state,
            Some(ScoreboardState::Ready | ScoreboardState::Accepting | ScoreboardState::Draining)
        )
    }

    pub fn failed(&self, phase: Phase, summary: &str, traceback: &str) {
        self.send(&FromWorker::Failed {
            phase,
            summary: summary.to_owned(),
            traceback: traceback.to_owned(),
        });
    }

    /// Requests may run until `until_ms`; at `end_ms` the process exits.
    pub fn set_deadline(&self, until_ms: u64, end_ms: u64) {
        self.net.page.set_state(ScoreboardState::Draining);
        self.deadline.store(until_ms, Relaxed);
        self.end.store(end_ms, Relaxed);
    }

    /// Of the grace period; at most a year.
    pub fn time_left(&self) -> Duration {
        left_until(self.deadline.load(Relaxed))
    }

    /// Time for threads to end: at least a second, if the grace period allows it, for the cleanup of cancelled requests.
    pub fn time_for_threads(&self) -> Duration {
        let second = Duration::from_secs(1);
        self.time_left().max(second).min(self.time_for_a_step())
    }

    /// These threads would block the interpreter's shutdown for ever: the process will exit without it.
    pub fn leave_threads(&self, count: u32) {
        tracing::error!(
            threads = count,
            "threads still busy after the graceful timeout, exiting"
        );
        self.busy_threads.store(count, Relaxed);
    }

    /// Ends the threads that the worker has started, and returns what its sentinel had. To be called without the GIL.
    pub fn end_threads(&self) -> Option<Sentinel> {
        self.net.end_pools();
        self.commands.finish();
        self.picked.wake();
        self.sentinel.lock().take()?.join().ok()
    }

    pub fn has_busy_threads(&self) -> bool {
        self.busy_threads.load(Relaxed) > 0
    }

    /// Time for one step of the shutdown (joining threads, lifespan shutdown): leaves what the next steps need.
    pub fn time_for_a_step(&self) -> Duration {
        let left = left_until(self.end.load(Relaxed));
        left.saturating_sub((left * 2 / 5).min(Duration::from_secs(1)))
    }
}

fn left_until(moment_ms: u64) -> Duration {
    let left = moment_ms.saturating_sub(sys::monotonic_ms());
    Duration::from_millis(left.min(31_536_000_000))
}
