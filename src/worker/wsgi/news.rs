//! Wakes application threads that wait in the middle of a request for a client. It does not know for what.

use std::sync::atomic::{AtomicU64, Ordering::SeqCst};

use parking_lot::{Condvar, Mutex};

/// One for all threads: they are few, waiting is rare, and each looks again for itself.
#[derive(Default)]
pub struct News {
    edition: Mutex<u64>,
    changed: Condvar,
    readers: AtomicU64,
}

impl News {
    /// To be taken before one looks whether waiting is necessary.
    pub fn edition(&self) -> u64 {
        self.readers.fetch_add(1, SeqCst);
        *self.edition.lock()
    }

    /// Waits until something is told after the edition `seen`, and gives the edition of then. At most a second, so that
    /// a lost wake would cost no more.
    pub fn wait(&self, seen: u64) -> u64 {
        let mut edition = self.edition.lock();
        if *edition == seen {
            self.changed
                .wait_for(&mut edition, std::time::Duration::from_secs(1));
        }
        *edition
    }

    /// The one that took an edition has gone on.
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
