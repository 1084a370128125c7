//! The monitor's heartbeat: one word of the scoreboard, which shows the master that the monitor's loop turns.

use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;

use super::board::Board;
use super::layout::header;

/// The monitor writes it, and the master reads it.
#[derive(Debug, Clone, Copy)]
pub struct MonitorBeat {
    word: &'static AtomicU64,
}

impl MonitorBeat {
    /// `now_ms`: monotonic.
    pub fn set(self, now_ms: u64) {
        self.word.store(now_ms, Relaxed);
    }

    /// Monotonic milliseconds; `None`: the running monitor has written none yet.
    pub fn last(self) -> Option<u64> {
        Some(self.word.load(Relaxed)).filter(|beat| *beat != 0)
    }

    /// Before a monitor is started: the heartbeat of the one before says nothing about it.
    pub fn clear(self) {
        self.word.store(0, Relaxed);
    }
}

impl Board {
    pub fn monitor_beat(&self) -> Option<MonitorBeat> {
        let word = self.words.get(header::MONITOR_BEAT)?;
        Some(MonitorBeat { word })
    }
}

#[cfg(test)]
mod tests {
    use crate::ipc::Scoreboard;

    #[test]
    fn a_monitor_that_is_started_has_no_heartbeat_of_the_one_before() {
        let board = Scoreboard::create(1).expect("a small mapping");
        let beat = board.monitor_beat().expect("a header");
        assert_eq!(beat.last(), None);
        beat.set(7);
        assert_eq!(board.monitor_beat().and_then(|beat| beat.last()), Some(7));
        beat.clear();
        assert_eq!(beat.last(), None);
    }
}
