//! The generation that is held beside the serving one (staged, or a canary), as the workers of both see it: which one it is, and the
//! channel by which it gets the connections whose requests ask for it.

use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;

use super::Result;
use super::board::Board;
use super::layout::header;
use super::page::{Page, ScoreboardState};
use super::scoreboard::Scoreboard;
use super::transfer::{TransferChannel, TransferTake, Transferred};

/// A worker's view of it.
#[derive(Debug)]
pub struct HeldGeneration {
    word: &'static AtomicU64,
    channel: Arc<TransferChannel>,
    board: Board,
    own: Page,
}

impl HeldGeneration {
    pub fn new(channel: Arc<TransferChannel>, board: Board, own: Page) -> Option<Self> {
        Some(Self {
            word: board.words.get(header::HELD)?,
            channel,
            board,
            own,
        })
    }

    /// This worker belongs to it.
    pub fn is_own(&self) -> bool {
        self.word.load(Relaxed) == self.own.generation()
    }

    /// A generation is held, and it is not this worker's. One look at a word.
    pub fn is_elsewhere(&self) -> bool {
        let held = self.word.load(Relaxed);
        held != 0 && held != self.own.generation()
    }

    /// It also has workers that take connections: a look at the pages of all workers.
    pub fn is_another(&self) -> bool {
        self.is_elsewhere() && self.takes(self.word.load(Relaxed))
    }

    /// No worker takes what is in the channel: it was passed on before that was known.
    pub fn is_left(&self) -> bool {
        let held = self.word.load(Relaxed);
        held == 0 || !self.takes(held)
    }

    /// Workers of a generation that does not serve are ready, and do not accept at the listeners.
    fn takes(&self, generation: u64) -> bool {
        let takes = |page: &Page| {
            let state = page.state();
            page.generation() == generation
                && matches!(
                    state,
                    Some(ScoreboardState::Ready | ScoreboardState::Accepting)
                )
        };
        self.board.living().any(|page| takes(&page))
    }

    /// Passes a connection on to it; this process may then close its descriptor. False: the channel is full, and the connection stays.
    ///
    /// # Errors
    /// It cannot be sent.
    pub fn give(&self, fd: BorrowedFd<'_>, connection: &Transferred) -> Result<bool> {
        self.channel.give(fd, connection)
    }

    /// The next one.
    ///
    /// # Errors
    /// `Malformed` loses that message only.
    pub fn take(&self) -> Result<TransferTake> {
        self.channel.take()
    }
}

/// Readable when a connection is on its way.
impl AsFd for HeldGeneration {
    fn as_fd(&self) -> BorrowedFd<'_> {
        (*self.channel).as_fd()
    }
}

impl Scoreboard {
    /// `None`: no generation is held.
    pub fn set_held(&self, generation: Option<u64>) {
        if let Some(word) = self.words.get(header::HELD) {
            word.store(generation.unwrap_or(0), Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_another_one_for_all_workers_but_its_own_while_one_of_these_takes() {
        let board = Scoreboard::create(2).expect("a small mapping");
        let channel = Arc::new(TransferChannel::open().expect("a pair"));
        let [serving, new] = [(0, 1), (0, 2)].map(|(slot, generation)| {
            let page = board.acquire(slot, generation).expect("a page");
            HeldGeneration::new(Arc::clone(&channel), board.board(), page).expect("a header")
        });
        serving.own.set_state(ScoreboardState::Accepting);
        new.own.set_state(ScoreboardState::Ready);
        assert!(!serving.is_another() && !new.is_own() && serving.is_left());
        board.set_held(Some(2));
        assert!(serving.is_another() && !serving.is_own() && !serving.is_left());
        assert!(!new.is_another() && new.is_own());
        new.own.set_state(ScoreboardState::Draining);
        assert!(serving.is_elsewhere() && !serving.is_another() && serving.is_left());
        new.own.set_state(ScoreboardState::Accepting);
        board.set_held(None);
        assert!(!serving.is_another() && !new.is_own());
    }
}
