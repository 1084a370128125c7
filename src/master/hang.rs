//! The log record of a hung worker: its stacks, requested by a signal, and its requests in flight.

mod state;

pub use self::state::Hang;
use self::state::StackRequestState;

use super::child_signal::deliver;
use super::event_text;
use super::shell::Shell;
use super::stack_dump::StackDump;
use super::supervisor::{Event, Extent, Incarnation};
use super::workers::WorkerProcess;
use crate::sys::clock;
use crate::sys::process::{catches, inactivity};
use crate::sys::signals::DUMP_STACKS;

impl Shell<'_> {
    pub(super) fn ask_for_stacks(&mut self, incarnation: Incarnation) {
        let Some(worker) = self.fleet.workers.get_mut(incarnation) else {
            return;
        };
        let now = clock::monotonic_ms();
        let asked = if catches(worker.pid, DUMP_STACKS) {
            worker.stacks.clear();
            deliver(worker.pid, DUMP_STACKS);
            StackRequestState::Signal(StackDump::asked(now))
        } else {
            StackRequestState::InVain
        };
        if let Some(hang) = &mut worker.hang {
            hang.asked = asked;
        }
    }

    /// Whether some worker's stacks are still being written.
    pub(super) fn awaits_stacks(&self) -> bool {
        self.fleet
            .workers
            .iter()
            .any(|(_, worker)| worker.hang.is_some())
    }

    /// Called once per turn.
    pub(super) fn look_for_stacks(&mut self) {
        let complete: Vec<_> = self
            .fleet
            .workers
            .iter_mut()
            .filter_map(|(incarnation, worker)| is_complete(worker).then_some(incarnation))
            .collect();
        for incarnation in complete {
            self.tell_hang(incarnation);
            self.events
                .pending
                .push_back(Event::StacksDumped { incarnation });
        }
    }

    /// Writes the record, unless it was written already.
    pub(super) fn tell_hang(&mut self, incarnation: Incarnation) {
        let Some(worker) = self.fleet.workers.get_mut(incarnation) else {
            return;
        };
        let Some(hang) = worker.hang.take() else {
            return;
        };
        let stacks = match hang.asked {
            StackRequestState::Signal(_) => worker.stacks.read(),
            StackRequestState::NotYet | StackRequestState::InVain => String::new(),
        };
        let (slot, pid) = (worker.slot.0, worker.pid.as_raw());
        let (generation, silent_ms) = (hang.generation, event_text::ms(hang.silent));
        let age_ms = hang.found_ms.saturating_sub(worker.born_ms);
        let state = inactivity(worker.pid);
        let requests = event_text::requests(&hang.requests);
        let traceback = (!stacks.is_empty()).then_some(stacks);
        match hang.extent {
            Extent::Whole => tracing::error!(
                slot,
                generation,
                pid,
                age_ms,
                silent_ms,
                state,
                requests,
                traceback,
                "worker hung, killing it"
            ),
            Extent::Thread => tracing::error!(
                slot,
                generation,
                pid,
                age_ms,
                silent_ms,
                state,
                requests,
                traceback,
                "worker hung in one of its threads: a replacement boots, then the others finish"
            ),
        }
    }
}

fn is_complete(worker: &mut WorkerProcess) -> bool {
    let Some(hang) = &mut worker.hang else {
        return false;
    };
    let StackRequestState::Signal(dump) = &mut hang.asked else {
        return true;
    };
    // A stopped process prints nothing before it is killed.
    dump.is_over(clock::monotonic_ms(), worker.stacks.len()) || inactivity(worker.pid).is_some()
}
