//! Whether this worker accepts new work, and how connections end once it does not.

use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering::Relaxed};

use crate::ipc::DrainReason;

/// Whether this worker accepts new work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DrainStage {
    Serving,
    Draining(DrainReason),
}

pub struct Drain {
    stage: AtomicU8,
    /// The server is about to drain: each connection closes after its next response.
    last_answers: AtomicBool,
    /// When a draining worker closes its idle connections, in monotonic milliseconds.
    idle_until: AtomicU64,
}

impl Default for Drain {
    fn default() -> Self {
        Self {
            stage: AtomicU8::new(0),
            last_answers: AtomicBool::new(false),
            idle_until: AtomicU64::new(u64::MAX),
        }
    }
}

impl Drain {
    pub fn stage(&self) -> DrainStage {
        match self.stage.load(Relaxed) {
            0 => DrainStage::Serving,
            1 => DrainStage::Draining(DrainReason::Replaced),
            _ => DrainStage::Draining(DrainReason::Shutdown),
        }
    }

    /// From here on responses carry `Connection: close`; idle connections stay open until that time.
    pub fn begin(&self, reason: DrainReason, idle_until: u64) {
        self.idle_until.store(idle_until, Relaxed);
        let stage = if reason == DrainReason::Replaced {
            1
        } else {
            2
        };
        self.stage.store(stage, Relaxed);
    }

    pub fn close_after_answers(&self) {
        self.last_answers.store(true, Relaxed);
    }

    /// The worker serves again, after a pause.
    pub fn keep_open_after_answers(&self) {
        self.last_answers.store(false, Relaxed);
    }

    /// True before the thread that runs Python has noticed a drain, which may take it long.
    pub fn closes_after_response(&self) -> bool {
        self.last_answers.load(Relaxed) || self.stage() != DrainStage::Serving
    }

    /// When idle connections of a draining worker are closed.
    pub fn idle_until(&self) -> u64 {
        self.idle_until.load(Relaxed)
    }
}
