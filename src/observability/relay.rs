//! A worker's log events, queued for Python's loggers where a logging configuration gives them handlers. A thread of Python's
//! own takes them from here, so that no request waits for a handler.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use parking_lot::{Condvar, Mutex};

use crate::config::LogLevel;

/// The most items to queue for a handler that is stuck; further ones are dropped.
const MOST_WAITING: usize = 10_000;
/// The same in bytes: the fields of one request may be a megabyte.
const MOST_BYTES: usize = 16 * 1024 * 1024;

/// Whether the files still get their lines, and whether Python does.
static ERROR_NATIVE: AtomicBool = AtomicBool::new(true);
static ACCESS_NATIVE: AtomicBool = AtomicBool::new(true);
static ERROR_PYTHON: AtomicBool = AtomicBool::new(false);
static ACCESS_PYTHON: AtomicBool = AtomicBool::new(false);

static WAITING: Mutex<RelayQueue> = Mutex::new(RelayQueue {
    items: VecDeque::new(),
    bytes: 0,
    dropped: 0,
    ended: false,
});
static CHANGED: Condvar = Condvar::new();

#[derive(Debug)]
struct RelayQueue {
    items: VecDeque<RelayItem>,
    bytes: usize,
    dropped: u64,
    ended: bool,
}

/// For `gunicorn.error` or `gunicorn.access`.
#[derive(Debug)]
pub enum RelayItem {
    Error {
        level: LogLevel,
        text: String,
    },
    Access {
        line: String,
        /// `ATOMS`, in their order.
        atoms: Vec<String>,
        /// `{name}i`, `{name}o`, `{name}e`, lower-cased.
        fields: Vec<(String, String)>,
    },
}

impl RelayItem {
    fn bytes(&self) -> usize {
        let own = match self {
            Self::Error { text, .. } => text.len(),
            Self::Access {
                line,
                atoms,
                fields,
            } => {
                let atoms = atoms.iter().map(|atom| size_of::<String>() + atom.len());
                let fields = fields
                    .iter()
                    .map(|(name, value)| 2 * size_of::<String>() + name.len() + value.len());
                line.len() + atoms.chain(fields).sum::<usize>()
            }
        };
        size_of::<Self>() + own
    }
}

impl RelayQueue {
    /// Whether it was queued.
    fn put(&mut self, item: RelayItem) -> bool {
        let bytes = self.bytes + item.bytes();
        // A single item is accepted, however large it is.
        let full = self.items.len() >= MOST_WAITING || bytes > MOST_BYTES && !self.items.is_empty();
        if full {
            self.dropped += 1;
        } else {
            self.bytes = bytes;
            self.items.push_back(item);
        }
        !full
    }

    fn take(&mut self) -> (Vec<RelayItem>, u64) {
        self.bytes = 0;
        let dropped = std::mem::take(&mut self.dropped);
        (self.items.drain(..).collect(), dropped)
    }
}

/// What the records of `gunicorn.access` have as arguments, for formatters that look at them.
pub const ATOMS: [&str; 19] = [
    "h", "l", "u", "t", "r", "s", "m", "U", "q", "H", "b", "B", "f", "a", "T", "D", "M", "L", "p",
];

/// Which outputs receive events, by the configuration of Python's loggers.
#[derive(Debug, Clone, Copy)]
pub struct Routes {
    pub error_native: bool,
    pub error_python: bool,
    pub access_native: bool,
    pub access_python: bool,
}

pub fn route(routes: Routes) {
    ERROR_NATIVE.store(routes.error_native, Relaxed);
    ERROR_PYTHON.store(routes.error_python, Relaxed);
    ACCESS_NATIVE.store(routes.access_native, Relaxed);
    ACCESS_PYTHON.store(routes.access_python, Relaxed);
}

pub(super) fn error_is_native() -> bool {
    ERROR_NATIVE.load(Relaxed)
}

pub(super) fn access_is_native() -> bool {
    ACCESS_NATIVE.load(Relaxed)
}

pub(super) fn takes_errors() -> bool {
    ERROR_PYTHON.load(Relaxed)
}

/// Whether Python's formatters and handlers get requests, with all their fields.
pub fn takes_access() -> bool {
    ACCESS_PYTHON.load(Relaxed)
}

pub(super) fn put(item: RelayItem) {
    let mut waiting = WAITING.lock();
    let wake = waiting.items.is_empty();
    if waiting.put(item) && wake {
        CHANGED.notify_one();
    }
}

/// All queued items, and how many were dropped, once there are any. `None`: there will be no more.
pub fn take() -> Option<(Vec<RelayItem>, u64)> {
    let mut waiting = WAITING.lock();
    while waiting.items.is_empty() && !waiting.ended {
        CHANGED.wait(&mut waiting);
    }
    if waiting.items.is_empty() {
        return None;
    }
    Some(waiting.take())
}

/// They can be taken from here on, also where an earlier worker of this process has ended.
pub fn begin() {
    WAITING.lock().ended = false;
}

/// Queued items can still be taken. Later events go to the files.
pub fn end() {
    route(Routes {
        error_native: true,
        error_python: false,
        access_native: access_is_native(),
        access_python: false,
    });
    WAITING.lock().ended = true;
    CHANGED.notify_all();
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(length: usize) -> RelayItem {
        RelayItem::Error {
            level: LogLevel::Info,
            text: "x".repeat(length),
        }
    }

    fn waiting() -> RelayQueue {
        RelayQueue {
            items: VecDeque::new(),
            bytes: 0,
            dropped: 0,
            ended: false,
        }
    }

    #[test]
    fn what_waits_is_bounded_in_number_and_in_bytes() {
        let mut waiting = waiting();
        let taken = (0..20_000).filter(|_| waiting.put(text(1))).count();
        assert_eq!(taken, MOST_WAITING);
        let (items, dropped) = waiting.take();
        assert_eq!((items.len(), dropped), (MOST_WAITING, 10_000));
        let large = 1024 * 1024;
        let taken = (0..100).filter(|_| waiting.put(text(large))).count();
        assert!((10..=16).contains(&taken), "{taken}");
        waiting.take();
        assert!(waiting.put(text(2 * MOST_BYTES)), "alone");
        assert!(!waiting.put(text(1)));
        waiting.take();
        assert!(waiting.put(text(1)));
    }
}
