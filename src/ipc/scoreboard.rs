//! The shared mapping all workers write their numbers to: gives out pages, keeps the slots' totals. It judges nobody.

use std::os::fd::OwnedFd;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed};

use super::counters::Counters;
use super::layout::{MAGIC, VERSION, counter, header, page};
use super::page::Page;
use super::{Error, Result};
use crate::sys::shared_words;

/// The service as a whole, as the master sees it: what a readiness probe asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Service {
    /// Not every slot has had a ready worker yet.
    Booting,
    Ready,
    /// As good as ready: the old workers serve.
    Reloading,
    /// From the first TERM on, also while connections are still accepted.
    Stopping,
}

/// The master's view. Other processes only read, through the memfd.
#[derive(Debug)]
pub struct Scoreboard {
    words: &'static [AtomicU64],
    pages: Vec<Page>,
    slots: usize,
    memfd: OwnedFd,
}

impl Scoreboard {
    /// A board with that many pages (worker incarnations at a time), and as many slots. Untouched pages cost no memory.
    pub fn create(pages: usize) -> Result<Self> {
        let slots = pages;
        let count = header::WORDS + slots * counter::WORDS + pages * page::WORDS;
        let (memfd, words) = shared_words(c"rgun-scoreboard", count)?;
        let facts = [
            (header::MAGIC, MAGIC),
            (header::VERSION, VERSION),
            (header::PAGE_WORDS, page::WORDS as u64),
            (header::PAGES, pages as u64),
            (header::SLOTS, slots as u64),
        ];
        for (index, value) in facts {
            if let Some(word) = words.get(index) {
                word.store(value, Relaxed);
            }
        }
        let first = header::WORDS + slots * counter::WORDS;
        let pages = words
            .get(first..)
            .unwrap_or_default()
            .chunks_exact(page::WORDS)
            .filter_map(Page::new)
            .collect();
        Ok(Self {
            words,
            pages,
            slots,
            memfd,
        })
    }

    /// A page for a new worker.
    ///
    /// # Errors
    /// `NoPage` when all are taken, or when there is no such slot.
    pub fn acquire(&self, slot: u32, generation: u64) -> Result<Page> {
        let free = self.pages.iter().find(|page| page.is_free());
        match free {
            Some(page) if (slot as usize) < self.slots => {
                page.occupy(slot, generation);
                Ok(*page)
            }
            _ => Err(Error::NoPage(self.pages.len())),
        }
    }

    /// The worker of this page was reaped: its counters move to its slot, and the page is free.
    ///
    /// Requests that were in flight count as ended without an answer, so that nothing stays in flight for ever.
    pub fn free(&self, page: Page) {
        let mut counters = page.counters();
        let cut_short = counters.in_flight();
        let [without_answer, ..] = &mut counters.status;
        *without_answer += cut_short;
        let folding = self.words.get(header::FOLDING);
        let step = || folding.map(|word| word.fetch_add(1, AcqRel));
        step();
        if let Ok(slot) = usize::try_from(page.slot()) {
            counters
                .plus(&Counters::read(self.totals(slot)))
                .write(self.totals(slot));
        }
        page.clear();
        step();
    }

    /// Everything a slot's workers have counted, dead or alive. Never goes back.
    pub fn slot_counters(&self, slot: u32) -> Counters {
        loop {
            let before = self
                .words
                .get(header::FOLDING)
                .map(|word| word.load(Acquire));
            let dead = Counters::read(self.totals(slot as usize));
            let living = self
                .pages
                .iter()
                .filter(|page| !page.is_free() && page.slot() == u64::from(slot));
            let sum = living.fold(dead, |sum, page| sum.plus(&page.counters()));
            let after = self
                .words
                .get(header::FOLDING)
                .map(|word| word.load(Acquire));
            if before == after && before.is_none_or(|count| count % 2 == 0) {
                return sum;
            }
            std::hint::spin_loop();
        }
    }

    /// The pages of the workers that live, in no order that means anything.
    pub fn living(&self) -> impl Iterator<Item = Page> {
        self.pages.iter().copied().filter(|page| !page.is_free())
    }

    pub fn set_service(&self, service: Service) {
        if let Some(word) = self.words.get(header::SERVICE) {
            word.store(service as u64, Relaxed);
        }
    }

    pub fn service(&self) -> Service {
        match self
            .words
            .get(header::SERVICE)
            .map(|word| word.load(Relaxed))
        {
            Some(1) => Service::Ready,
            Some(2) => Service::Reloading,
            Some(3) => Service::Stopping,
            _ => Service::Booting,
        }
    }

    /// What another process maps to read the board.
    pub fn memfd(&self) -> &OwnedFd {
        &self.memfd
    }

    fn totals(&self, slot: usize) -> &'static [AtomicU64] {
        let start = header::WORDS + slot * counter::WORDS;
        if slot < self.slots {
            self.words
                .get(start..start + counter::WORDS)
                .unwrap_or_default()
        } else {
            &[]
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_totals_of_a_slot_survive_its_workers() {
        let board = Scoreboard::create(2).expect("a small mapping");
        let old = board.acquire(1, 1).expect("a page");
        let new = board.acquire(1, 2).expect("a page");
        assert!(matches!(board.acquire(0, 1), Err(Error::NoPage(2))));
        let done = old.request_started(b"GET", b"/", 1);
        old.request_finished(done, 200, 100, 7);
        let _cut_short = old.request_started(b"GET", b"/", 1);
        let done = new.request_started(b"GET", b"/", 1);
        new.request_finished(done, 404, 100, 7);
        let before = board.slot_counters(1);
        assert_eq!((before.requests, before.in_flight()), (3, 1));
        board.free(old);
        let after = board.slot_counters(1);
        assert_eq!(
            (after.requests, after.bytes_out, after.in_flight()),
            (3, 14, 0)
        );
        assert_eq!(after.status, [1, 0, 1, 0, 1, 0]);
        assert_eq!(board.slot_counters(0), Counters::default());
        assert_eq!(board.living().count(), 1);
        let again = board.acquire(0, 3).expect("the freed page");
        assert_eq!(
            (again.counters(), again.heartbeat(), again.pid()),
            (Counters::default(), 0, 0)
        );
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
                let ticket = page.request_started(b"GET", b"/", 1);
                if dies { drop(ticket) } else { page.request_finished(ticket, status, micros, 1) }
                for again in [false, true] {
                    if again { board.free(page) }
                    let sum = board.slot_counters(slot);
                    let all = sum.requests + sum.status.iter().sum::<u64>() + sum.bytes_out + sum.duration_us;
                    prop_assert!(all >= last[slot as usize]);
                    last[slot as usize] = all;
                }
                requests[slot as usize] += 1;
                prop_assert_eq!(board.slot_counters(slot).requests, requests[slot as usize]);
            }
        }
    }
}
