//! The processes of the supervisor's incarnations: pids, channels, pages, last messages.

use std::collections::{BTreeMap, VecDeque};
use std::os::fd::{AsFd, RawFd};

use serde::{Deserialize, Serialize};

use super::Error;
use super::control::Rate;
use super::descriptors::{KeptDescriptors, copy};
use super::hang::{BootProgress, Hang};
use super::supervisor::{BootPhase, Exit, Generation, Incarnation, Slot};
use crate::ipc::{self, Board, InFlight, MasterChannel, Page, Phase, ToWorker};
use crate::sys::{MemFile, Pid, clock};

/// Number of dead workers that are remembered, for reports that come after the exit.
const REMEMBERED: usize = 64;

/// One worker that was not reaped yet.
#[derive(Debug)]
pub struct WorkerProcess {
    pub slot: Slot,
    pub generation: Generation,
    pub pid: Pid,
    pub channel: MasterChannel,
    /// Whether more can be read from the channel.
    pub hearing: Hearing,
    pub page: Page,
    /// The file for its stacks on `DUMP_STACKS`.
    pub stacks: MemFile,
    /// The stacks that it has reported, with the number of the request.
    pub reported_stacks: Option<(u64, String)>,
    /// When it reported ready, in monotonic milliseconds.
    pub ready_ms: Option<u64>,
    pub failure: Option<WorkerFailure>,
    pub boot: BootProgress,
    /// Set while it hangs and that was not logged yet.
    pub hang: Option<Hang>,
    pub killed: Killed,
    /// When it was forked, in monotonic milliseconds.
    pub born_ms: u64,
    pub rate: Rate,
}

impl WorkerProcess {
    /// A worker that was just forked.
    pub fn new(
        (slot, generation): (Slot, Generation),
        pid: Pid,
        channel: MasterChannel,
        page: Page,
        stacks: MemFile,
    ) -> Self {
        Self {
            slot,
            generation,
            pid,
            channel,
            hearing: Hearing::Open,
            page,
            stacks,
            reported_stacks: None,
            ready_ms: None,
            failure: None,
            boot: BootProgress::default(),
            hang: None,
            killed: Killed::No,
            born_ms: clock::monotonic_ms(),
            rate: Rate::default(),
        }
    }

    pub fn send(&self, message: &ToWorker) {
        if let Err(error) = self.channel.send(message) {
            // It is dying, or stuck: its exit or its deadline is the event.
            tracing::debug!(slot = self.slot.0, pid = self.pid.as_raw(), ?message, %error, "message not delivered");
        }
    }
}

/// What another program in this process takes over of a worker.
#[derive(Debug, Serialize, Deserialize)]
pub struct WorkerState {
    incarnation: Incarnation,
    slot: Slot,
    generation: Generation,
    pid: i32,
    channel: RawFd,
    hearing: Hearing,
    page: u32,
    stacks: RawFd,
    ready_ms: Option<u64>,
    killed: Killed,
    born_ms: u64,
}

/// Whether we sent SIGKILL.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Killed {
    ByUs,
    No,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Hearing {
    Open,
    Closed,
}

/// The failure that a worker has reported.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkerFailure {
    pub phase: Phase,
    pub summary: String,
    pub traceback: String,
}

/// What is known of a worker, dead or alive.
#[derive(Debug, Default)]
pub struct WorkerFacts<'a> {
    pub pid: Option<Pid>,
    pub failure: Option<&'a WorkerFailure>,
    /// The requests that were in flight when it died.
    pub in_flight: &'a [InFlight],
}

#[derive(Debug)]
struct Departed {
    incarnation: Incarnation,
    slot: Slot,
    pid: Pid,
    failure: Option<WorkerFailure>,
    in_flight: Vec<InFlight>,
}

#[derive(Debug, Default)]
pub struct Workers {
    living: BTreeMap<Incarnation, WorkerProcess>,
    by_pid: BTreeMap<Pid, Incarnation>,
    departed: VecDeque<Departed>,
}

impl Workers {
    /// What they have said of a failure or a hang, and is not reported yet, is left behind.
    pub fn state(&self, board: Board, kept: &mut KeptDescriptors) -> Vec<WorkerState> {
        let state = |(incarnation, worker): (&Incarnation, &WorkerProcess)| WorkerState {
            incarnation: *incarnation,
            slot: worker.slot,
            generation: worker.generation,
            pid: worker.pid.as_raw(),
            channel: kept.keep(&worker.channel.as_fd()),
            hearing: worker.hearing,
            page: board.number_of(worker.page),
            stacks: kept.keep(&worker.stacks),
            ready_ms: worker.ready_ms,
            killed: worker.killed,
            born_ms: worker.born_ms,
        };
        self.living.iter().map(state).collect()
    }

    /// # Errors
    /// A descriptor is not open, or there is no such page or process.
    pub fn restore(states: Vec<WorkerState>, board: Board) -> Result<Self, Error> {
        let mut workers = Self::default();
        for state in states {
            let page = board.page(state.page as usize);
            let (page, pid) = page
                .zip(Pid::new(state.pid))
                .ok_or(ipc::Error::Malformed("a worker without page or process"))?;
            let channel = copy(state.channel)?.into();
            let stacks = copy(state.stacks)?.into();
            let place = (state.slot, state.generation);
            let worker = WorkerProcess {
                hearing: state.hearing,
                ready_ms: state.ready_ms,
                killed: state.killed,
                born_ms: state.born_ms,
                ..WorkerProcess::new(place, pid, channel, page, stacks)
            };
            workers.insert(state.incarnation, worker);
        }
        Ok(workers)
    }

    pub fn insert(&mut self, incarnation: Incarnation, worker: WorkerProcess) {
        self.by_pid.insert(worker.pid, incarnation);
        self.living.insert(incarnation, worker);
    }

    pub fn get(&self, incarnation: Incarnation) -> Option<&WorkerProcess> {
        self.living.get(&incarnation)
    }

    pub fn get_mut(&mut self, incarnation: Incarnation) -> Option<&mut WorkerProcess> {
        self.living.get_mut(&incarnation)
    }

    pub fn iter(&self) -> impl Iterator<Item = (Incarnation, &WorkerProcess)> {
        self.living
            .iter()
            .map(|(incarnation, worker)| (*incarnation, worker))
    }

    pub fn iter_mut(&mut self) -> impl Iterator<Item = (Incarnation, &mut WorkerProcess)> {
        self.living
            .iter_mut()
            .map(|(incarnation, worker)| (*incarnation, worker))
    }

    /// `None`: not one of our workers.
    pub fn with_pid(&self, pid: Pid) -> Option<Incarnation> {
        self.by_pid.get(&pid).copied()
    }

    pub fn count(&self) -> usize {
        self.living.len()
    }

    /// It is no worker any more, and lives.
    pub fn take(&mut self, incarnation: Incarnation) -> Option<WorkerProcess> {
        let worker = self.living.remove(&incarnation)?;
        self.by_pid.remove(&worker.pid);
        Some(worker)
    }

    /// It was reaped. Returns its page, to be freed; its channel is closed.
    pub fn remove(&mut self, incarnation: Incarnation) -> Option<Page> {
        let WorkerProcess {
            slot,
            pid,
            page,
            failure,
            ..
        } = self.take(incarnation)?;
        self.departed.push_back(Departed {
            incarnation,
            slot,
            pid,
            failure,
            in_flight: page.in_flight(),
        });
        while self.departed.len() > REMEMBERED {
            self.departed.pop_front();
        }
        Some(page)
    }

    /// The last reported failure of that slot's workers.
    pub fn last_words(&self, slot: Slot) -> Option<&WorkerFailure> {
        let living = self.living.values().rev();
        let living = living.map(|worker| (worker.slot, &worker.failure));
        let departed = self.departed.iter().rev();
        let departed = departed.map(|worker| (worker.slot, &worker.failure));
        living
            .chain(departed)
            .filter(|(its, _)| *its == slot)
            .find_map(|(_, failure)| failure.as_ref())
    }

    pub fn facts(&self, incarnation: Incarnation) -> WorkerFacts<'_> {
        if let Some(worker) = self.living.get(&incarnation) {
            return WorkerFacts {
                pid: Some(worker.pid),
                failure: worker.failure.as_ref(),
                in_flight: &[],
            };
        }
        let departed = self
            .departed
            .iter()
            .find(|one| one.incarnation == incarnation);
        departed.map_or_else(WorkerFacts::default, |one| WorkerFacts {
            pid: Some(one.pid),
            failure: one.failure.as_ref(),
            in_flight: &one.in_flight,
        })
    }
}

/// Converts an exit into the supervisor's type.
pub fn exit(exit: crate::sys::process::ProcessExit) -> Exit {
    use super::supervisor::CoreDump;
    use crate::sys::process::{CoreFile as Dump, ProcessExit as Ended};
    match exit {
        Ended::Code(code) => Exit::Code(code),
        Ended::Signal { signal, core } => {
            let core = match core {
                Dump::Written => CoreDump::Written,
                Dump::No => CoreDump::No,
            };
            Exit::Signal {
                signal: signal.as_raw(),
                core,
            }
        }
    }
}

/// Converts a phase of a boot into the supervisor's type.
pub fn boot_phase(phase: Phase) -> BootPhase {
    match phase {
        Phase::Boot => BootPhase::Boot,
        Phase::Import => BootPhase::Import,
        Phase::Load => BootPhase::Load,
        Phase::Lifespan => BootPhase::Lifespan,
        Phase::ReadyPath => BootPhase::ReadyPath,
        Phase::Settings => BootPhase::Settings,
    }
}
