//! Commands for the thread that runs Python.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};

use parking_lot::Mutex;

use crate::worker::signals;

/// A command of the master (or a consequence of its death) for the thread that runs Python.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MasterCommand {
    /// Finish in-flight requests until `until`; at `end` the process exits. Monotonic milliseconds.
    Drain { until: u64, end: u64 },
    /// Cancel running requests.
    Fast { end: u64 },
    /// Send the Python stacks to the master; `number` goes with the reply.
    Stacks { number: u64 },
}

/// What the process does once the worker in it has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AfterDrain {
    Exit,
    /// It becomes the mold of its generation.
    BecomeMold,
}

/// The queue of commands for the main thread.
#[derive(Default)]
pub struct CommandQueue {
    queue: Mutex<VecDeque<MasterCommand>>,
    any: AtomicBool,
    /// A fast stop was ordered.
    fast: AtomicBool,
    /// The app is loaded: a command goes to the main thread. Before, it ends the process.
    listening: AtomicBool,
    /// Signals of this process are not handled: it serves in a thread of a program.
    leaves_signals: AtomicBool,
    /// `AfterDrain::BecomeMold`, by the last order.
    becomes_mold: AtomicBool,
    /// The worker has ended and its process continues: the sentinel has to end as well.
    finished: AtomicBool,
}

impl CommandQueue {
    pub fn take(&self) -> Option<MasterCommand> {
        if !self.any.load(SeqCst) {
            return None;
        }
        let mut queue = self.queue.lock();
        let command = queue.pop_front();
        self.any.store(!queue.is_empty(), SeqCst);
        command
    }

    pub fn fast_stop_requested(&self) -> bool {
        self.fast.load(SeqCst)
    }

    pub fn give(&self, command: MasterCommand) {
        if matches!(command, MasterCommand::Fast { .. }) {
            self.fast.store(true, SeqCst);
        }
        self.queue.lock().push_back(command);
        self.any.store(true, SeqCst);
    }

    pub fn leave_signals(&self) {
        self.leaves_signals.store(true, SeqCst);
    }

    pub(super) fn set_after_drain(&self, after: AfterDrain) {
        self.becomes_mold
            .store(after == AfterDrain::BecomeMold, SeqCst);
    }

    pub fn becomes_mold(&self) -> bool {
        self.becomes_mold.load(SeqCst)
    }

    pub fn finish(&self) {
        self.finished.store(true, SeqCst);
    }

    pub(super) fn is_finished(&self) -> bool {
        self.finished.load(SeqCst)
    }

    pub(super) fn is_listening(&self) -> bool {
        self.listening.load(SeqCst)
    }

    pub fn listen(&self) {
        self.listening.store(true, SeqCst);
        if self.leaves_signals.load(SeqCst) {
            return;
        }
        if let Err(error) = signals::end_in_order() {
            tracing::warn!(%error, "signals keep their default action");
        }
    }
}
