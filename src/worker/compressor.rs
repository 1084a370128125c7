//! Shared state of a worker's compressed responses: the rules, reusable encoders, and bounds on their number and on
//! the bytes compressed in one turn of the reactor.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use parking_lot::Mutex;

use super::pool::{Pool, PoolJob};
use crate::compress::{Encoder, MediaTypes, Rules};
use crate::config::{ResponseCoding, ResponseCompression};
use crate::files::{Coding, Codings};

/// Responses that are compressed at the same time; more are sent uncompressed. An encoder takes up to a megabyte.
const MOST_ENCODERS: usize = 128;
/// Encoders that are kept for reuse.
const KEPT: usize = 4;
/// Bytes that the event loop's thread compresses in one turn: about two milliseconds. More goes to the pool.
const IN_A_TURN: usize = 128 * 1024;
const THREADS: usize = 2;

pub struct Compressor {
    pub rules: Rules,
    kept: Mutex<Vec<Encoder>>,
    in_use: AtomicUsize,
    turn: Mutex<CodedInTurn>,
    pub(super) pool: Pool,
}

/// The current turn, and how many bytes are left of its budget.
#[derive(Default)]
struct CodedInTurn {
    number: u64,
    left: usize,
}

/// An encoder for one response.
pub struct Lease {
    encoder: Option<Encoder>,
    compressor: Arc<Compressor>,
}

impl Compressor {
    pub fn new(settings: &ResponseCompression) -> Compressor {
        let has = |coding| settings.codings.contains(&coding);
        Compressor {
            rules: Rules {
                codings: Codings {
                    zstd: has(ResponseCoding::Zstd),
                    brotli: false,
                    gzip: has(ResponseCoding::Gzip),
                },
                level: settings.level,
                min_size: settings.min_size,
                types: MediaTypes::new(settings.types.iter().map(String::as_str)),
                credentials: settings.credentials,
            },
            kept: Mutex::default(),
            in_use: AtomicUsize::new(0),
            turn: Mutex::default(),
            pool: Pool::new("compress", THREADS),
        }
    }

    /// `None`: too many are in use.
    pub fn lease(self: &Arc<Self>, coding: Coding) -> Option<Lease> {
        let taken = self.in_use.fetch_update(Relaxed, Relaxed, |count| {
            (count < MOST_ENCODERS).then_some(count + 1)
        });
        taken.ok()?;
        // From here on dropping the lease releases it.
        let mut lease = Lease {
            encoder: None,
            compressor: self.clone(),
        };
        let mut kept = self.kept.lock();
        let place = kept.iter().position(|kept| kept.coding() == coding);
        lease.encoder = match place {
            Some(place) => Some(kept.swap_remove(place)),
            None => {
                drop(kept);
                Encoder::new(coding, self.rules.level)
            }
        };
        lease.encoder.is_some().then_some(lease)
    }

    /// Whether so many bytes may be compressed in that turn of the reactor, in its own thread.
    pub fn may_code_now(&self, length: usize, turn: u64) -> bool {
        let now = &mut *self.turn.lock();
        if now.number != turn {
            *now = CodedInTurn {
                number: turn,
                left: IN_A_TURN,
            };
        }
        let may = length <= now.left;
        if may {
            now.left -= length;
        }
        may
    }

    /// Runs the job in a pool thread. `Err`: there is none.
    pub fn run(&self, job: PoolJob) -> Result<(), PoolJob> {
        self.pool.run(job)
    }
}

impl Lease {
    pub fn encoder(&mut self) -> Option<&mut Encoder> {
        self.encoder.as_mut()
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.compressor.in_use.fetch_sub(1, Relaxed);
        if let Some(encoder) = self.encoder.take() {
            let mut kept = self.compressor.kept.lock();
            if kept.len() < KEPT {
                kept.push(encoder);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn compressor() -> Arc<Compressor> {
        Arc::new(Compressor::new(&ResponseCompression {
            codings: vec![ResponseCoding::Gzip],
            level: 1,
            min_size: 0,
            types: Vec::new(),
            credentials: false,
        }))
    }

    #[test]
    fn encoders_are_bounded_and_used_again() {
        let compressor = compressor();
        let mut leases: Vec<_> = (0..MOST_ENCODERS)
            .map(|_| compressor.lease(Coding::Gzip).expect("there is room"))
            .collect();
        assert!(compressor.lease(Coding::Gzip).is_none());
        leases.truncate(MOST_ENCODERS - 6);
        assert_eq!(compressor.kept.lock().len(), KEPT);
        assert!(compressor.lease(Coding::Gzip).is_some());
        drop(leases);
        assert_eq!(compressor.in_use.load(Relaxed), 0);
        assert!(compressor.lease(Coding::Brotli).is_none());
        assert_eq!(compressor.in_use.load(Relaxed), 0);
    }

    #[test]
    fn a_turn_has_a_budget() {
        let compressor = compressor();
        assert!(compressor.may_code_now(IN_A_TURN - 1, 1));
        assert!(!compressor.may_code_now(2, 1) && compressor.may_code_now(1, 1));
        assert!(compressor.may_code_now(2, 2));
        assert!(!compressor.may_code_now(IN_A_TURN + 1, 3));
    }
}
