//! Commands on their way to the thread that runs Python. It gives none.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};

use parking_lot::Mutex;

use crate::worker::signals;

/// What the master (or its death) asks of the thread that runs Python.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Command {
    /// Finish what is in flight until `until`; at `end` the process ends. Monotonic milliseconds.
    Drain { until: u64, end: u64 },
    /// Cancel what is running.
    Fast { end: u64 },
    /// Tell the master where Python is; `number` goes with the answer.
    Stacks { number: u64 },
}

/// Commands on their way to the main thread.
#[derive(Default)]
pub struct Orders {
    queue: Mutex<VecDeque<Command>>,
    any: AtomicBool,
    /// Somebody had to be told to stop fast.
    fast: AtomicBool,
    /// The app is up: a command goes to the main thread. Before, it ends the process.
    listening: AtomicBool,
    /// The signals of this process are somebody else's: it serves in a thread of a program.
    leaves_signals: AtomicBool,
    /// The worker has ended and its process goes on: the sentinel is to end as well.
    finished: AtomicBool,
}

impl Orders {
    pub fn take(&self) -> Option<Command> {
        if !self.any.load(SeqCst) {
            return None;
        }
        let mut queue = self.queue.lock();
        let command = queue.pop_front();
        self.any.store(!queue.is_empty(), SeqCst);
        command
    }

    pub fn had_to_be_fast(&self) -> bool {
        self.fast.load(SeqCst)
    }

    pub fn give(&self, command: Command) {
        if matches!(command, Command::Fast { .. }) {
            self.fast.store(true, SeqCst);
        }
        self.queue.lock().push_back(command);
        self.any.store(true, SeqCst);
    }

    pub fn leave_signals(&self) {
        self.leaves_signals.store(true, SeqCst);
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
