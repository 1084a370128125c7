//! Wakes application threads that wait for a client in the middle of a request.

use std::sync::atomic::{AtomicU64, Ordering::SeqCst};

use parking_lot::{Condvar, Mutex};

/// One for all threads: they are few, waiting is rare, and each checks its own condition.
#[derive(Default)]
pub struct WaitQueue {
    version: Mutex<u64>,
    changed: Condvar,
    readers: AtomicU64,
}

impl WaitQueue {
    /// To be called before the condition is checked.
    pub fn version(&self) -> u64 {
        self.readers.fetch_add(1, SeqCst);
        *self.version.lock()
    }

    /// Waits for a notification after the edition `seen`, and returns the current edition. At most a second, which
    /// bounds the cost of a lost wake-up.
    pub fn wait(&self, seen: u64) -> u64 {
        let mut version = self.version.lock();
        if *version == seen {
            self.changed
                .wait_for(&mut version, std::time::Duration::from_secs(1));
        }
        *version
    }

    /// Called once for each call of `version`, when the thread no longer waits.
    pub fn leave(&self) {
        self.readers.fetch_sub(1, SeqCst);
    }

    pub fn notify(&self) {
        if self.readers.load(SeqCst) == 0 {
            return;
        }
        *self.version.lock() += 1;
        self.changed.notify_all();
    }
}
