//! The worker's clock: the time of the reactor's last turn, and the number of that turn.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use parking_lot::{Mutex, MutexGuard};

use crate::http::Date;
use crate::sys;

pub struct TurnClock {
    /// Monotonic milliseconds.
    now: AtomicU64,
    /// Odd while a thread sleeps in the reactor.
    turns: AtomicU64,
    date: Mutex<(u64, Date)>,
    /// Whether responses say `Server`.
    says_server: bool,
}

impl TurnClock {
    pub fn new(says_server: bool) -> Self {
        Self {
            now: AtomicU64::new(sys::monotonic_ms()),
            turns: AtomicU64::new(0),
            date: Mutex::new((0, Date::at(0))),
            says_server,
        }
    }

    /// Monotonic milliseconds as of the last turn of the reactor.
    pub fn now(&self) -> u64 {
        self.now.load(Relaxed)
    }

    /// True: the time has changed.
    pub fn set(&self, now: u64) -> bool {
        self.now.swap(now, Relaxed) != now
    }

    /// Changes with every turn; odd while asleep.
    pub fn turns(&self) -> u64 {
        self.turns.load(Relaxed)
    }

    /// The reactor is about to sleep, or has woken up.
    pub fn turn(&self) {
        self.turns.fetch_add(1, Relaxed);
    }

    /// The current `Date`, at most a second old.
    pub fn date(&self) -> MutexGuard<'_, (u64, Date)> {
        let mut date = self.date.lock();
        let tick = self.now() / 500;
        if date.0 != tick {
            let seconds = SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .unwrap_or(Duration::ZERO)
                .as_secs();
            let lines = Date::at(seconds);
            *date = (
                tick,
                if self.says_server {
                    lines
                } else {
                    lines.without_server()
                },
            );
        }
        date
    }
}
