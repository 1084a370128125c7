//! Asks a hung worker, or one whose boot takes too long, for its stacks, and writes the log record with them.

use super::state::StackRequestState;
use crate::master::child_signal::deliver;
use crate::master::event_queue::EventQueue;
use crate::master::event_text;
use crate::master::generations::Generations;
use crate::master::stack_dump::StackDump;
use crate::master::supervisor::{Event, Extent, Incarnation};
use crate::master::tidy_stacks::tidy;
use crate::master::workers::{WorkerFailure, WorkerProcess, Workers};
use crate::sys::process::{catches, inactivity};
use crate::sys::signals::DUMP_STACKS;
use crate::sys::{MemFile, clock};

pub fn ask_for_stacks(workers: &mut Workers, incarnation: Incarnation) {
    let Some(worker) = workers.get_mut(incarnation) else {
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
    match &mut worker.hang {
        Some(hang) => hang.asked = asked,
        None => worker.boot.asked = Some(asked),
    }
}

/// Whether some worker's stacks are still being written.
pub fn awaits_stacks(workers: &Workers) -> bool {
    workers
        .iter()
        .any(|(_, worker)| worker.hang.is_some() || worker.boot.asked.is_some())
}

/// Called once per turn.
pub fn look_for_stacks(
    events: &mut EventQueue,
    generations: &Generations<'_>,
    workers: &mut Workers,
) {
    let complete: Vec<_> = workers
        .iter_mut()
        .filter_map(|(incarnation, worker)| is_complete(worker).then_some(incarnation))
        .collect();
    for incarnation in complete {
        collect_stacks(generations, workers, incarnation);
        events.push(Event::StacksDumped { incarnation });
    }
}

/// Reads what was asked for, complete or not: the worker is about to be killed, or has ended.
pub fn collect_stacks(
    generations: &Generations<'_>,
    workers: &mut Workers,
    incarnation: Incarnation,
) {
    tell_hang(workers, incarnation);
    note_late_boot(generations, workers, incarnation);
}

/// The stacks of a boot that takes too long are part of its failure, which is reported when it is decided.
fn note_late_boot(generations: &Generations<'_>, workers: &mut Workers, incarnation: Incarnation) {
    let Some(worker) = workers.get_mut(incarnation) else {
        return;
    };
    let Some(asked) = worker.boot.asked.take() else {
        return;
    };
    if worker.failure.is_some() || worker.ready_ms.is_some() {
        return;
    }
    let phase = worker.boot.phase;
    let settings = generations.get(worker.generation);
    let ready_path = settings.and_then(|config| config.settings.ready_path.as_deref());
    let state = inactivity(worker.pid).map(|state| format!(" ({state})"));
    worker.failure = Some(WorkerFailure {
        phase,
        summary: event_text::unended(phase, ready_path) + &state.unwrap_or_default(),
        traceback: written_stacks(&worker.stacks, asked),
    });
}

/// Writes the record, unless it was written already.
fn tell_hang(workers: &mut Workers, incarnation: Incarnation) {
    let Some(worker) = workers.get_mut(incarnation) else {
        return;
    };
    let Some(hang) = worker.hang.take() else {
        return;
    };
    let stacks = written_stacks(&worker.stacks, hang.asked);
    let (slot, pid) = (worker.slot.0, worker.pid.as_raw());
    let (generation, silent_ms) = (hang.generation, event_text::ms(hang.silent));
    let age_ms = hang.found_ms.saturating_sub(worker.born_ms);
    let state = inactivity(worker.pid);
    let requests = event_text::requests(&hang.requests);
    let traceback = (!stacks.is_empty()).then_some(stacks);
    let outcome = match hang.extent {
        Extent::Whole => "worker hung, killing it",
        Extent::Thread => {
            "worker hung in one of its threads: a replacement boots, then the others finish"
        }
    };
    tracing::error!(
        event = "worker_hung",
        slot,
        generation,
        pid,
        age_ms,
        silent_ms,
        state,
        requests,
        traceback,
        "{outcome}"
    );
}

/// Empty where they were not asked for, or could not be.
fn written_stacks(file: &MemFile, asked: StackRequestState) -> String {
    match asked {
        StackRequestState::Signal(_) => tidy(&file.read()),
        StackRequestState::NotYet | StackRequestState::InVain => String::new(),
    }
}

fn is_complete(worker: &mut WorkerProcess) -> bool {
    let asked = match (&mut worker.hang, &mut worker.boot.asked) {
        (Some(hang), _) => &mut hang.asked,
        (None, Some(asked)) => asked,
        (None, None) => return false,
    };
    let StackRequestState::Signal(dump) = asked else {
        return true;
    };
    // A stopped process prints nothing before it is killed.
    dump.is_over(clock::monotonic_ms(), worker.stacks.len()) || inactivity(worker.pid).is_some()
}
