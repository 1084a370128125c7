//! The scoreboard for readers: the master, and every process that was forked from it. `scoreboard.rs` writes it.

use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::{Acquire, Relaxed};

use super::counters::Counters;
use super::facts::{Service, ServiceFacts};
use super::layout::{counter, header, page};
use super::page::Page;

/// Moving a worker's counters takes the master microseconds; if it was killed meanwhile, readers stop waiting.
const TRIES: usize = 10_000;

/// A cheap handle: the mapping stays for as long as the process lives.
#[derive(Debug, Clone, Copy)]
pub struct Board {
    pub(super) words: &'static [AtomicU64],
    pub(super) pages: usize,
}

impl Board {
    /// Everything that the workers of each slot have counted, dead or alive, as one snapshot. Never decreases.
    pub fn counters(&self) -> Vec<Counters> {
        let slots = usize::try_from(self.word(header::USED_SLOTS, Acquire)).unwrap_or(0);
        let slots = slots.min(self.pages);
        let mut sums = Vec::with_capacity(slots);
        for _ in 0..TRIES {
            let before = self.word(header::FOLDING, Acquire);
            sums.clear();
            sums.extend((0..slots).map(|slot| Counters::read(self.totals(slot))));
            for page in self.living() {
                let slot = usize::try_from(page.slot()).ok();
                if let Some(sum) = slot.and_then(|slot| sums.get_mut(slot)) {
                    *sum = std::mem::take(sum).plus(&page.counters());
                }
            }
            let after = self.word(header::FOLDING, Acquire);
            if before == after && before.is_multiple_of(2) {
                break;
            }
            std::hint::spin_loop();
        }
        sums
    }

    /// The pages of living workers, in no particular order.
    pub fn living(&self) -> impl Iterator<Item = Page> {
        let board = *self;
        let used = usize::try_from(self.word(header::USED, Acquire)).unwrap_or(0);
        (0..used.min(self.pages))
            .filter_map(move |index| board.page(index))
            .filter(|page| !page.is_free())
    }

    pub fn service(&self) -> Service {
        match self.word(header::SERVICE, Relaxed) {
            1 => Service::Ready,
            2 => Service::Reloading,
            3 => Service::Stopping,
            _ => Service::Booting,
        }
    }

    /// What the master last published of itself.
    pub fn facts(&self) -> ServiceFacts {
        ServiceFacts::read(self.words)
    }

    /// By its number.
    pub fn page(&self, index: usize) -> Option<Page> {
        let first = header::WORDS + self.pages * counter::WORDS;
        let start = first + index * page::WORDS;
        Page::new(self.words.get(start..start + page::WORDS)?)
    }

    /// The number of one of its pages, for another process that has the board.
    pub fn number_of(&self, page: Page) -> u32 {
        let number = (0..self.pages)
            .position(|index| self.page(index).is_some_and(|other| other.is_same(page)));
        number
            .and_then(|number| u32::try_from(number).ok())
            .unwrap_or(u32::MAX)
    }

    pub(super) fn totals(&self, slot: usize) -> &'static [AtomicU64] {
        let start = header::WORDS + slot * counter::WORDS;
        if slot < self.pages {
            self.words
                .get(start..start + counter::WORDS)
                .unwrap_or_default()
        } else {
            &[]
        }
    }

    fn word(&self, index: usize, order: std::sync::atomic::Ordering) -> u64 {
        self.words.get(index).map_or(0, |word| word.load(order))
    }
}
