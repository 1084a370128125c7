//! The keys of TLS session tickets in shared memory: made by the master, used by the workers of every generation.

use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicU64, Ordering};

use super::{Error, Result};
use crate::sys::{shared_words, shared_words_of};

/// Words of a key: its name, and 32 bytes.
const KEY: usize = 5;
/// The sequence number, the key in use, the one before it.
const WORDS: usize = 1 + 2 * KEY;

/// A key and the name that tickets carry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TicketKey {
    /// Never zero.
    pub name: u64,
    pub secret: [u64; 4],
}

/// Both keys that tickets are accepted with. Copies refer to the same memory.
#[derive(Debug, Clone, Copy)]
pub struct TicketKeys {
    words: &'static [AtomicU64],
}

impl TicketKeys {
    /// Without a key; processes forked from here on share it. The descriptor keeps the memory for a new binary (upgrade).
    pub fn new() -> Result<(OwnedFd, Self)> {
        let (fd, words) = shared_words(c"rgun-tickets", WORDS)?;
        Ok((fd, Self { words }))
    }

    /// Those of the program before.
    ///
    /// # Errors
    /// `Malformed`: that are no keys.
    pub fn adopt(memory: &OwnedFd) -> Result<Self> {
        let words = shared_words_of(memory)?;
        let words = words
            .get(..WORDS)
            .ok_or(Error::Malformed("keys of tickets"))?;
        Ok(Self { words })
    }

    /// Only for the master: `key` is used from now on, and the one before it is still accepted.
    pub fn rotate(&self, key: TicketKey) {
        let sequence = self.load(0, Ordering::Relaxed);
        let before: [u64; KEY] = std::array::from_fn(|n| self.load(1 + n, Ordering::Relaxed));
        // Odd while the words change. Release and acquire fences around relaxed words: the usual sequence lock.
        self.store(0, sequence.wrapping_add(1));
        std::sync::atomic::fence(Ordering::Release);
        let now = std::iter::once(key.name).chain(key.secret);
        for (n, word) in now.chain(before).enumerate() {
            self.store(1 + n, word);
        }
        if let Some(word) = self.words.first() {
            word.store(sequence.wrapping_add(2), Ordering::Release);
        }
    }

    /// The key for new tickets, and the one before it. `None`: there is none yet, or it is being replaced at this moment.
    pub fn read(&self) -> [Option<TicketKey>; 2] {
        // A master that dies in the middle must not make a worker loop for ever.
        for _ in 0..64 {
            let before = self.load(0, Ordering::Acquire);
            let words: [u64; 2 * KEY] =
                std::array::from_fn(|n| self.load(1 + n, Ordering::Relaxed));
            std::sync::atomic::fence(Ordering::Acquire);
            if before.is_multiple_of(2) && self.load(0, Ordering::Relaxed) == before {
                let (now, earlier) = words.split_at(KEY);
                return [key(now), key(earlier)];
            }
            std::hint::spin_loop();
        }
        [None, None]
    }

    fn load(&self, index: usize, ordering: Ordering) -> u64 {
        self.words.get(index).map_or(0, |word| word.load(ordering))
    }

    fn store(&self, index: usize, value: u64) {
        if let Some(word) = self.words.get(index) {
            word.store(value, Ordering::Relaxed);
        }
    }
}

/// `None`: these words were never written.
fn key(words: &[u64]) -> Option<TicketKey> {
    let (name, secret) = words.split_first()?;
    let secret = secret.try_into().ok()?;
    (*name != 0).then_some(TicketKey {
        name: *name,
        secret,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_before_is_kept_for_one_rotation() {
        let (_fd, keys) = TicketKeys::new().expect("shared memory");
        let key = |name| TicketKey {
            name,
            secret: [name; 4],
        };
        assert_eq!(keys.read(), [None, None]);
        keys.rotate(key(1));
        assert_eq!(keys.read(), [Some(key(1)), None]);
        keys.rotate(key(2));
        assert_eq!(keys.read(), [Some(key(2)), Some(key(1))]);
        keys.rotate(key(3));
        assert_eq!(keys.read(), [Some(key(3)), Some(key(2))]);
    }

    #[test]
    fn a_reader_never_sees_half_of_a_key() {
        let (_fd, keys) = TicketKeys::new().expect("shared memory");
        std::thread::scope(|scope| {
            let writer = scope.spawn(move || {
                for name in 1..20_000 {
                    keys.rotate(TicketKey {
                        name,
                        secret: [name; 4],
                    });
                }
            });
            while !writer.is_finished() {
                for key in keys.read().into_iter().flatten() {
                    assert_eq!(key.secret, [key.name; 4]);
                }
            }
        });
    }
}
