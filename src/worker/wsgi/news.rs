//! Wakes application threads that wait for a client in the middle of a request.

use std::sync::atomic::{AtomicU64, Ordering::SeqCst};

use parking_lot::{Condvar, Mutex};

/// One for all threads: they are few, waiting is rare, and each checks its own condition.
#[derive(Default)]
pub struct News {
    edition: Mutex<u64>,
    changed: Condvar,
    readers: AtomicU64,
}

impl News {
    /// To be called before the condition is checked.
    pub fn edition(&self) -> u64 {
        self.readers.fetch_add(1, SeqCst);
        *self.edition.lock()
    }

    /// Waits for a notification after the edition `seen`, and returns the current edition. At most a second, which
    /// bounds the cost of a lost wake-up.
    pub fn wait(&self, seen: u64) -> u64 {
        let mut edition = self.edition.lock();
        if *edition == seen {
            self.changed
                .wait_for(&mut edition, std::time::Duration::from_secs(1));
        }
        *edition
    }

    /// Called once for each call of `edition`, when the thread no longer waits.
    pub fn leave(&self) {
        self.readers.fetch_sub(1, SeqCst);
    }

    pub fn tell(&self) {
        if self.readers.load(SeqCst) == 0 {
            return;
        }
        *self.edition.lock() += 1;
        self.changed.notify_all();
    }
}
