//! Which worker is the leader: one word of the scoreboard, so that there is never more than one.

use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;

use super::board::Board;
use super::layout::header;
use super::scoreboard::Scoreboard;

/// Whether one worker is the leader, at any moment.
#[derive(Debug, Clone, Copy)]
pub struct Leadership {
    word: &'static AtomicU64,
    incarnation: u64,
}

impl Leadership {
    pub fn is_held(self) -> bool {
        self.word.load(Relaxed) == self.incarnation
    }
}

impl Board {
    /// Of that worker. Incarnations are counted from 1.
    pub fn leadership(&self, incarnation: u64) -> Option<Leadership> {
        let word = self.words.get(header::LEADER)?;
        Some(Leadership { word, incarnation })
    }
}

impl Scoreboard {
    /// `None`: no worker.
    pub fn set_leader(&self, incarnation: Option<u64>) {
        if let Some(word) = self.words.get(header::LEADER) {
            word.store(incarnation.unwrap_or(0), Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_one_at_the_most() {
        let board = Scoreboard::create(1).expect("a small mapping");
        let [one, two] = [1, 2].map(|n| board.leadership(n).expect("a header"));
        let held = || (one.is_held(), two.is_held());
        assert_eq!(held(), (false, false));
        board.set_leader(Some(1));
        assert_eq!(held(), (true, false));
        board.set_leader(Some(2));
        assert_eq!(held(), (false, true));
        board.set_leader(None);
        assert_eq!(held(), (false, false));
    }
}
