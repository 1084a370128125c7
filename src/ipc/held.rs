//! The generation that is held beside the serving one (staged, or a canary), as the workers of both see it: which one it is, and the
//! channels by which it gets the connections whose requests belong to it, and gives back those whose requests do not.

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

/// A bit of the word beside the generation's number: it is a canary, and visitors stay with the version that they have met.
const STICKY: u64 = 1 << 63;

/// One pair for all generations: a worker of the serving one is forked before the held one exists.
#[derive(Debug)]
pub struct HeldChannels {
    /// To the workers of the held generation.
    held: TransferChannel,
    /// To those of the serving one.
    serving: TransferChannel,
}

impl HeldChannels {
    /// # Errors
    /// There are no descriptors.
    pub fn open() -> Result<Self> {
        let [held, serving] = [TransferChannel::open()?, TransferChannel::open()?];
        Ok(Self { held, serving })
    }

    pub fn restore(held: TransferChannel, serving: TransferChannel) -> Self {
        Self { held, serving }
    }

    /// For a program that goes on in this one's place.
    pub fn each(&self) -> [&TransferChannel; 2] {
        [&self.held, &self.serving]
    }
}

/// A worker's view of it.
#[derive(Debug)]
pub struct HeldGeneration {
    word: &'static AtomicU64,
    /// Differs from server to server, so that a cookie of another one names nothing.
    seed: u64,
    channels: Arc<HeldChannels>,
    board: Board,
    own: Page,
}

impl HeldGeneration {
    pub fn new(channels: Arc<HeldChannels>, board: Board, own: Page) -> Option<Self> {
        Some(Self {
            word: board.words.get(header::HELD)?,
            seed: board.words.get(header::COOKIE_SEED)?.load(Relaxed),
            channels,
            board,
            own,
        })
    }

    /// This worker belongs to it.
    pub fn is_own(&self) -> bool {
        self.number() == self.own.generation()
    }

    /// Zero: none is held.
    fn number(&self) -> u64 {
        self.word.load(Relaxed) & !STICKY
    }

    /// A generation is held. One look at a word.
    pub fn is_held(&self) -> bool {
        self.word.load(Relaxed) != 0
    }

    /// A generation is held, and it is not this worker's. One look at a word.
    pub fn is_elsewhere(&self) -> bool {
        let held = self.number();
        held != 0 && held != self.own.generation()
    }

    /// It also has workers that take connections: a look at the pages of all workers.
    pub fn is_another(&self) -> bool {
        self.is_elsewhere() && self.takes(self.number())
    }

    /// No worker takes what is in the channel: it was passed on before that was known.
    pub fn is_left(&self) -> bool {
        let held = self.number();
        held == 0 || !self.takes(held)
    }

    /// This worker takes what was passed to the serving generation: it belongs to that generation, or no other worker does any more.
    pub fn is_serving(&self) -> bool {
        let is_serving = |page: &Page| {
            page.generation() != self.own.generation()
                && page.state() == Some(ScoreboardState::Accepting)
        };
        !self.is_own() || !self.board.living().any(|page| is_serving(&page))
    }

    /// There is a canary, and visitors stay with the version that they have met. One look at a word.
    pub fn is_sticky(&self) -> bool {
        self.word.load(Relaxed) & STICKY != 0
    }

    /// What the cookie of a visitor of this worker's generation says.
    pub fn own_cookie(&self) -> String {
        cookie(self.seed, self.own.generation())
    }

    /// Whether a cookie is that of another generation with a worker that takes connections: a look at the pages of all workers.
    pub fn is_of_another(&self, value: &[u8]) -> bool {
        let is_it = |page: &Page| {
            page.generation() != self.own.generation()
                && page.state() == Some(ScoreboardState::Accepting)
                && cookie(self.seed, page.generation()).as_bytes() == value
        };
        self.board.living().any(|page| is_it(&page))
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

    /// Passes a connection on to the other one, of the held generation and the serving one; this process may then close its descriptor. False: the
    /// channel is full, and the connection stays.
    ///
    /// # Errors
    /// It cannot be sent.
    pub fn give(&self, fd: BorrowedFd<'_>, connection: &Transferred) -> Result<bool> {
        let channel = if self.is_own() {
            &self.channels.serving
        } else {
            &self.channels.held
        };
        channel.give(fd, connection)
    }

    /// The next one for the held generation.
    ///
    /// # Errors
    /// `Malformed` loses that message only.
    pub fn take(&self) -> Result<TransferTake> {
        self.channels.held.take()
    }

    /// The next one for the serving generation.
    ///
    /// # Errors
    /// As `take`.
    pub fn take_back(&self) -> Result<TransferTake> {
        self.channels.serving.take()
    }

    /// Readable when a connection is on its way.
    pub fn notices(&self) -> [BorrowedFd<'_>; 2] {
        self.channels.each().map(AsFd::as_fd)
    }
}

/// Says nothing but which ones are equal. SplitMix64, a bijection of the number.
fn cookie(seed: u64, generation: u64) -> String {
    let z = (seed ^ generation.rotate_left(32)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    format!("{:016x}", z ^ (z >> 31))
}

impl Scoreboard {
    /// `None`: no generation is held. `is_sticky`: visitors stay with the version that they have met.
    pub fn set_held(&self, generation: Option<u64>, is_sticky: bool) {
        if let Some(word) = self.words.get(header::HELD) {
            let flag = if is_sticky { STICKY } else { 0 };
            word.store(generation.map_or(0, |number| number | flag), Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ipc::ServiceFacts;

    #[test]
    fn it_is_another_one_for_all_workers_but_its_own_while_one_of_these_takes() {
        let board = Scoreboard::create(2).expect("a small mapping");
        let channel = Arc::new(HeldChannels::open().expect("pairs"));
        let [serving, new] = [(0, 1), (0, 2)].map(|(slot, generation)| {
            let page = board.acquire(slot, generation).expect("a page");
            HeldGeneration::new(Arc::clone(&channel), board.board(), page).expect("a header")
        });
        serving.own.set_state(ScoreboardState::Accepting);
        new.own.set_state(ScoreboardState::Ready);
        assert!(!serving.is_another() && !new.is_own() && serving.is_left());
        board.set_held(Some(2), false);
        assert!(serving.is_another() && !serving.is_own() && !serving.is_left());
        assert!(!new.is_another() && new.is_own());
        new.own.set_state(ScoreboardState::Draining);
        assert!(serving.is_elsewhere() && !serving.is_another() && serving.is_left());
        new.own.set_state(ScoreboardState::Accepting);
        board.set_held(None, false);
        assert!(!serving.is_another() && !new.is_own());
    }

    #[test]
    fn cookies_are_the_same_for_every_worker_and_others_on_another_server() {
        let board = Scoreboard::create(3).expect("a small mapping");
        let channels = Arc::new(HeldChannels::open().expect("pairs"));
        let worker = |board: &Scoreboard| {
            let page = board.acquire(0, 1).expect("a page");
            let held = HeldGeneration::new(Arc::clone(&channels), board.board(), page);
            held.expect("a header").own_cookie()
        };
        let first = worker(&board);
        board.publish(&ServiceFacts {
            started: true,
            ..ServiceFacts::default()
        });
        assert_eq!(worker(&board), first);
        let copy = board.memfd().try_clone().expect("a descriptor");
        let adopted = Scoreboard::adopt(copy).expect("the same layout");
        assert_eq!(worker(&adopted), first);
        let other = Scoreboard::create(3).expect("a small mapping");
        assert_ne!(worker(&other), first);
    }

    #[test]
    fn a_cookie_names_one_of_the_versions_that_take_connections() {
        let board = Scoreboard::create(2).expect("a small mapping");
        let channels = Arc::new(HeldChannels::open().expect("pairs"));
        let [serving, canary] = [(0, 1), (1, 2)].map(|(slot, generation)| {
            let page = board.acquire(slot, generation).expect("a page");
            page.set_state(ScoreboardState::Accepting);
            HeldGeneration::new(Arc::clone(&channels), board.board(), page).expect("a header")
        });
        board.set_held(Some(2), false);
        assert!(!serving.is_sticky() && serving.is_serving() && !canary.is_serving());
        board.set_held(Some(2), true);
        assert!(serving.is_sticky() && canary.is_own() && serving.is_another());
        let [old, new] = [serving.own_cookie(), canary.own_cookie()];
        assert!(serving.is_of_another(new.as_bytes()) && canary.is_of_another(old.as_bytes()));
        assert!(!serving.is_of_another(old.as_bytes()) && !canary.is_of_another(new.as_bytes()));
        assert!(!serving.is_of_another(b"0123456789abcdef") && !serving.is_of_another(b""));
        serving.own.set_state(ScoreboardState::Draining);
        assert!(!canary.is_of_another(old.as_bytes()) && canary.is_serving());
    }
}
