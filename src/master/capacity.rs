//! The maximum number of workers of this server: one limit for the command line, signals, `rgun ctl` and each reload.

use super::Error;
use crate::config::{MOST_WORKERS, PortSharing, Settings};
use crate::sys::raise_descriptor_limit;

/// For each worker: its channel, and the file for its stacks.
const DESCRIPTORS_OF_A_WORKER: u64 = 2;
/// A slot has a worker, its successor, and for a moment a predecessor that drains.
const WORKERS_OF_A_SLOT: u64 = 3;
/// Listeners, logs, helpers, clients of the control socket.
const DESCRIPTORS_OF_THE_MASTER: u64 = 64;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Capacity {
    pub most_workers: u32,
    /// The descriptor limit that it follows from, if that is lower than the settings allow.
    descriptors: u64,
}

impl Capacity {
    /// Raises the descriptor limit of this process to what the maximum number of workers needs, as far as it may.
    ///
    /// # Errors
    /// The system's.
    pub fn of_this_process(settings: &Settings) -> Result<Self, Error> {
        let sockets = match settings.port_sharing {
            PortSharing::BySlot => settings.bind.len() as u64,
            PortSharing::None => 0,
        };
        let of_a_slot = WORKERS_OF_A_SLOT * DESCRIPTORS_OF_A_WORKER + sockets;
        let wanted = DESCRIPTORS_OF_THE_MASTER + u64::from(MOST_WORKERS) * of_a_slot;
        Ok(Self::with(raise_descriptor_limit(wanted)?, sockets))
    }

    /// A reload must not fail for lack of descriptors: a worker and its successor in every slot.
    fn with(descriptors: u64, sockets_of_a_slot: u64) -> Self {
        let of_workers = descriptors.saturating_sub(DESCRIPTORS_OF_THE_MASTER);
        let slots = of_workers / (2 * DESCRIPTORS_OF_A_WORKER + sockets_of_a_slot);
        Self {
            most_workers: u32::try_from(slots)
                .unwrap_or(u32::MAX)
                .clamp(1, MOST_WORKERS),
            descriptors,
        }
    }

    /// # Errors
    /// When more workers are requested than are possible.
    pub fn check(self, workers: u32) -> Result<(), Error> {
        if workers <= self.most_workers {
            return Ok(());
        }
        Err(Error::TooManyWorkers {
            workers,
            most: self.most_workers,
            descriptors: self.descriptors,
        })
    }

    /// Pages of the scoreboard. Unused ones take no memory.
    pub fn pages(self) -> usize {
        self.most_workers as usize * (WORKERS_OF_A_SLOT as usize + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_descriptors_make_few_workers() {
        assert_eq!(Capacity::with(1 << 20, 1).most_workers, MOST_WORKERS);
        assert_eq!(Capacity::with(1024, 0).most_workers, 240);
        assert_eq!(Capacity::with(1024, 1).most_workers, 192);
        assert_eq!(Capacity::with(16, 0).most_workers, 1);
        let capacity = Capacity::with(1024, 0);
        assert!(capacity.check(240).is_ok());
        let error = capacity.check(241).expect_err("one too many");
        assert_eq!(
            error.to_string(),
            "--workers 241: at most 240 with the 1024 file descriptors that this process may have"
        );
        assert!(error.hint().expect("known").contains("LimitNOFILE"));
    }

    #[test]
    fn every_worker_of_a_full_server_has_a_page() {
        let capacity = Capacity::with(1 << 20, 0);
        assert!(capacity.pages() >= 3 * capacity.most_workers as usize);
    }
}
