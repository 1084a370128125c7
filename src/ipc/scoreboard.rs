//! The shared mapping that all workers write their numbers to: gives out pages, keeps the slots' totals.

use std::ops::Deref;
use std::os::fd::OwnedFd;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::{AcqRel, Relaxed};

use super::board::Board;
use super::counters::Counters;
use super::facts::{Service, ServiceFacts};
use super::layout::{MAGIC, VERSION, counter, header, page};
use super::page::Page;
use super::{Error, Result};
use crate::sys::{random, shared_words, shared_words_of};

/// The master's view: it gives pages out and takes them back. Others have the `Board`.
#[derive(Debug)]
pub struct Scoreboard {
    board: Board,
    memfd: OwnedFd,
}

impl Scoreboard {
    /// A board with that many pages (worker incarnations at a time), and as many slots. Untouched pages cost no memory.
    pub fn create(pages: usize) -> Result<Self> {
        let count = header::WORDS + pages * (counter::WORDS + page::WORDS);
        let (memfd, words) = shared_words(c"rgun-scoreboard", count)?;
        let facts = [
            (header::MAGIC, MAGIC),
            (header::VERSION, VERSION),
            (header::PAGE_WORDS, page::WORDS as u64),
            (header::PAGES, pages as u64),
            (header::SLOTS, pages as u64),
        ];
        for (index, value) in facts {
            if let Some(word) = words.get(index) {
                word.store(value, Relaxed);
            }
        }
        seed(words);
        let board = Board { words, pages };
        Ok(Self { board, memfd })
    }

    /// The board that another program has made, behind its memfd.
    ///
    /// # Errors
    /// `Malformed`: it has another layout.
    pub fn adopt(memfd: OwnedFd) -> Result<Self> {
        let words = shared_words_of(&memfd)?;
        let word = |index: usize| words.get(index).map_or(0, |word| word.load(Relaxed));
        let pages = usize::try_from(word(header::PAGES)).unwrap_or(0);
        let count = counter::WORDS + page::WORDS;
        let length = pages
            .checked_mul(count)
            .and_then(|all| all.checked_add(header::WORDS));
        let fits = word(header::MAGIC) == MAGIC
            && word(header::VERSION) == VERSION
            && word(header::PAGE_WORDS) == page::WORDS as u64
            && length.is_some_and(|length| length <= words.len());
        if !fits {
            return Err(Error::Malformed("scoreboard of another layout"));
        }
        seed(words);
        let board = Board { words, pages };
        Ok(Self { board, memfd })
    }

    /// A page for a new worker.
    ///
    /// # Errors
    /// `NoPage` when all are taken, or when there is no such slot.
    pub fn acquire(&self, slot: u32, generation: u64) -> Result<Page> {
        let pages = self.board.pages;
        let free = (0..pages).find_map(|index| {
            let page = self.board.page(index)?;
            page.is_free().then_some((index, page))
        });
        match free {
            Some((index, page)) if (slot as usize) < pages => {
                page.occupy(slot, generation);
                if let Some(used) = self.board.words.get(header::USED) {
                    used.fetch_max(index as u64 + 1, AcqRel);
                }
                if let Some(used) = self.board.words.get(header::USED_SLOTS) {
                    used.fetch_max(u64::from(slot) + 1, AcqRel);
                }
                Ok(page)
            }
            _ => Err(Error::NoPage(pages)),
        }
    }

    /// The worker of this page was reaped: its counters move to its slot, and the page is free.
    ///
    /// Requests that were in flight count as ended without a response, so that nothing stays in flight for ever.
    pub fn free(&self, page: Page) {
        let mut counters = page.counters();
        let cut_short = counters.in_flight();
        let [without_answer, ..] = &mut counters.status;
        *without_answer += cut_short;
        let folding = self.board.words.get(header::FOLDING);
        let step = || folding.map(|word| word.fetch_add(1, AcqRel));
        step();
        if let Ok(slot) = usize::try_from(page.slot()) {
            let totals = self.board.totals(slot);
            counters.plus(&Counters::read(totals)).write(totals);
        }
        page.clear();
        step();
    }

    pub fn set_service(&self, service: Service) {
        if let Some(word) = self.board.words.get(header::SERVICE) {
            word.store(service as u64, Relaxed);
        }
    }

    /// The master's own facts.
    pub fn publish(&self, facts: &ServiceFacts) {
        facts.write(self.board.words);
    }

    pub fn board(&self) -> Board {
        self.board
    }

    /// What another process maps to read the board.
    pub fn memfd(&self) -> &OwnedFd {
        &self.memfd
    }
}

impl Deref for Scoreboard {
    type Target = Board;

    fn deref(&self) -> &Board {
        &self.board
    }
}

/// Once for all programs that go on with the board.
fn seed(words: &[AtomicU64]) {
    if let Some(word) = words.get(header::COOKIE_SEED)
        && word.load(Relaxed) == 0
    {
        word.store(random().max(1), Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::ipc::Queue;

    #[test]
    fn the_totals_of_a_slot_survive_its_workers() {
        let board = Scoreboard::create(2).expect("a small mapping");
        let old = board.acquire(1, 1).expect("a page");
        let new = board.acquire(1, 2).expect("a page");
        assert!(matches!(board.acquire(0, 1), Err(Error::NoPage(2))));
        let done = old.request_started(b"GET", b"/", b"", 1);
        old.request_finished(done, 200, 100, 7);
        let _cut_short = old.request_started(b"GET", b"/", b"", 1);
        let done = new.request_started(b"GET", b"/", b"", 1);
        new.request_finished(done, 404, 100, 7);
        let before = board.counters().remove(1);
        assert_eq!((before.requests, before.in_flight()), (3, 1));
        board.free(old);
        let after = board.counters().remove(1);
        assert_eq!(
            (after.requests, after.bytes_out, after.in_flight()),
            (3, 14, 0)
        );
        assert_eq!(after.status, [1, 0, 1, 0, 1, 0]);
        assert_eq!(board.counters()[0], Counters::default());
        assert_eq!(board.living().count(), 1);
        let again = board.acquire(0, 3).expect("the freed page");
        assert_eq!(
            (again.counters(), again.heartbeat(), again.pid()),
            (Counters::default(), 0, 0)
        );
    }

    #[test]
    fn what_the_master_says_is_read_by_others() {
        let board = Scoreboard::create(1).expect("a small mapping");
        assert_eq!(board.facts(), ServiceFacts::default());
        let mut facts = ServiceFacts {
            beat_ms: 1,
            pid: 2,
            target: 3,
            generation: 4,
            started: true,
            reloads: 5,
            reloads_failed: 6,
            ..ServiceFacts::default()
        };
        facts.restarts[7] = 8;
        facts.queues[ServiceFacts::QUEUES - 1] = Queue {
            waiting: 9,
            most: 10,
        };
        board.publish(&facts);
        assert_eq!(board.board().facts(), facts);
    }

    #[test]
    fn the_service_is_what_was_said_last() {
        let board = Scoreboard::create(1).expect("a small mapping");
        assert_eq!(board.service(), Service::Booting);
        for service in [Service::Ready, Service::Reloading, Service::Stopping] {
            board.set_service(service);
            assert_eq!(board.service(), service);
        }
    }

    proptest! {
        #[test]
        fn totals_never_go_back(lives in prop::collection::vec((0_u32..3, 0_u16..600, 0_u64..1 << 40, any::<bool>()), 1..40)) {
            let board = Scoreboard::create(3).expect("a small mapping");
            let mut last = [0; 3];
            let mut requests = [0; 3];
            for (slot, status, micros, dies) in lives {
                let page = board.acquire(slot, 1).expect("the previous one was freed");
                let ticket = page.request_started(b"GET", b"/", b"", 1);
                if dies { drop(ticket) } else { page.request_finished(ticket, status, micros, 1) }
                for again in [false, true] {
                    if again { board.free(page) }
                    let sum = board.counters().remove(slot as usize);
                    let all = sum.requests + sum.status.iter().sum::<u64>() + sum.bytes_out + sum.duration_us;
                    prop_assert!(all >= last[slot as usize]);
                    last[slot as usize] = all;
                }
                requests[slot as usize] += 1;
                prop_assert_eq!(board.counters()[slot as usize].requests, requests[slot as usize]);
            }
        }
    }
}
