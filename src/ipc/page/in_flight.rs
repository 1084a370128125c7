//! The requests in flight on a worker's page: each is shown with the beginning of its path, and counted when it ends.

use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};

use super::super::layout::{counter, entry, page};
use super::{Page, bucket};

/// The place of one request among those in flight; to be given back with `request_finished`.
#[derive(Debug)]
#[must_use = "the request counts as in flight until its ticket is given back"]
pub struct Ticket(InFlightMark);

/// The request that the app's code runs for, also when that request has ended meanwhile.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InFlightMark {
    index: u32,
    /// Zero: the request has no place.
    serial: u64,
}

impl Ticket {
    pub fn mark(&self) -> InFlightMark {
        self.0
    }
}

/// A request that was in flight when the page was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InFlight {
    /// Monotonic milliseconds.
    pub started_ms: u64,
    /// The first 16 bytes.
    pub method: String,
    /// The first 240 bytes.
    pub path: String,
    /// The first 40 bytes of its id (`X-Request-ID`).
    pub id: Option<String>,
    /// The app's code for it was running, not waiting.
    pub runs: bool,
}

/// The worker's side.
impl Page {
    /// A request has begun. The first 21 at a time are shown with the beginning of their method, path and id (where they
    /// have one).
    pub fn request_started(&self, method: &[u8], path: &[u8], id: &[u8], now_ms: u64) -> Ticket {
        let serial = self.words[page::COUNTERS + counter::REQUESTS].fetch_add(1, Relaxed) + 1;
        let Some(index) = self.take_entry() else {
            return Ticket(InFlightMark {
                index: 0,
                serial: 0,
            });
        };
        let words = self.entry(index);
        let method = &method[..method.len().min(entry::METHOD_WORDS * 8)];
        let id = &id[..id.len().min(entry::ID_WORDS * 8)];
        let path = &path[..path.len().min(entry::PATH_WORDS * 8)];
        let lengths = method.len() as u64 | (id.len() as u64) << 8 | (path.len() as u64) << 32;
        words[entry::LENGTHS].store(lengths, Relaxed);
        words[entry::SERIAL].store(serial, Relaxed);
        store_bytes(&words[entry::METHOD..entry::ID], method);
        store_bytes(&words[entry::ID..entry::PATH], id);
        store_bytes(&words[entry::PATH..], path);
        // Last, so that a reader that sees the start sees the text (a kill may come between any two stores).
        words[entry::START].store(now_ms + 1, Release);
        Ticket(InFlightMark { index, serial })
    }

    /// The app's code for that request runs from here on. Harmless when the request has ended.
    pub fn app_runs(&self, mark: InFlightMark) {
        let words = self.entry(mark.index);
        if mark.serial != 0 && words[entry::SERIAL].load(Relaxed) == mark.serial {
            words[entry::RUNS].store(mark.serial, Relaxed);
        }
    }

    /// It waits, or has returned.
    pub fn app_rests(&self, mark: InFlightMark) {
        let words = self.entry(mark.index);
        if mark.serial != 0 && words[entry::RUNS].load(Relaxed) == mark.serial {
            words[entry::RUNS].store(0, Relaxed);
        }
    }

    /// It has ended: with that status (0: no response was begun), after `micros`, with `bytes` sent.
    pub fn request_finished(&self, ticket: Ticket, status: u16, micros: u64, bytes: u64) {
        let class = usize::from(status / 100).min(counter::STATUSES - 1);
        self.add(counter::STATUS + class, 1);
        self.add(counter::BYTES_OUT, bytes);
        self.add(counter::DURATION, micros);
        self.add(counter::LATENCY + bucket(micros), 1);
        self.free_entry(ticket.0);
    }

    /// Its connection was passed on before the app saw it: another worker counts it.
    pub fn request_passed_on(&self, ticket: Ticket) {
        self.add(counter::PASSED_ON + 1, 1);
        self.free_entry(ticket.0);
    }

    fn free_entry(&self, mark: InFlightMark) {
        let InFlightMark { index, serial } = mark;
        if serial != 0 {
            self.entry(index)[entry::START].store(0, Relaxed);
            self.words[page::TAKEN].fetch_and(!(1 << index), Relaxed);
        }
    }

    fn take_entry(&self) -> Option<u32> {
        let mut taken = self.words[page::TAKEN].load(Relaxed);
        loop {
            let index = taken.trailing_ones();
            if index as usize >= page::ENTRY_COUNT {
                return None;
            }
            // Several threads of a worker may start requests at once.
            match self.words[page::TAKEN].compare_exchange_weak(
                taken,
                taken | 1 << index,
                Relaxed,
                Relaxed,
            ) {
                Ok(_) => return Some(index),
                Err(now) => taken = now,
            }
        }
    }

    fn entry(&self, index: u32) -> &'static [AtomicU64] {
        let start = page::ENTRIES + index as usize * entry::WORDS;
        &self.words[start..start + entry::WORDS]
    }
}

/// The readers' side.
impl Page {
    /// The requests in flight, the oldest first: up to 21 of `counters().in_flight()`.
    pub fn in_flight(&self) -> Vec<InFlight> {
        let mut found: Vec<InFlight> = (0..page::ENTRY_COUNT as u32)
            .filter_map(|index| read_entry(self.entry(index)))
            .collect();
        found.sort_by_key(|request| request.started_ms);
        found
    }
}

fn store_bytes(words: &[AtomicU64], bytes: &[u8]) {
    for (word, chunk) in words.iter().zip(bytes.chunks(8)) {
        let mut padded = [0; 8];
        padded[..chunk.len()].copy_from_slice(chunk);
        word.store(u64::from_ne_bytes(padded), Relaxed);
    }
}

fn load_text(words: &[AtomicU64], length: usize) -> String {
    let mut bytes: Vec<u8> = words
        .iter()
        .flat_map(|word| word.load(Relaxed).to_ne_bytes())
        .collect();
    bytes.truncate(length);
    String::from_utf8_lossy(&bytes).into_owned()
}

/// `None` for an empty entry, and for one that changed while it was read.
fn read_entry(words: &[AtomicU64]) -> Option<InFlight> {
    let start = words[entry::START].load(Acquire);
    let started_ms = start.checked_sub(1)?;
    let lengths = words[entry::LENGTHS].load(Relaxed);
    let method = load_text(&words[entry::METHOD..entry::ID], (lengths & 0xff) as usize);
    let id = load_text(
        &words[entry::ID..entry::PATH],
        (lengths >> 8 & 0xff) as usize,
    );
    let path = load_text(&words[entry::PATH..], (lengths >> 32) as usize);
    let runs = words[entry::RUNS].load(Relaxed) == words[entry::SERIAL].load(Relaxed);
    (words[entry::START].load(Acquire) == start).then_some(InFlight {
        started_ms,
        method,
        path,
        id: (!id.is_empty()).then_some(id),
        runs,
    })
}

#[cfg(test)]
mod tests {
    use super::super::super::Scoreboard;
    use super::*;

    fn page() -> Page {
        Scoreboard::create(1)
            .expect("a small mapping")
            .acquire(0, 1)
            .expect("the first page")
    }

    #[test]
    fn a_request_is_seen_while_it_runs_and_counted_afterwards() {
        let page = page();
        let first = page.request_started(b"GET", b"/slow?x=1", b"", 100);
        let second = page.request_started(b"POST", b"/", b"", 90);
        let seen = page.in_flight();
        assert_eq!(
            seen.iter().map(|r| r.path.as_str()).collect::<Vec<_>>(),
            ["/", "/slow?x=1"]
        );
        assert_eq!((seen[1].method.as_str(), seen[1].started_ms), ("GET", 100));
        assert_eq!(page.counters().in_flight(), 2);
        page.request_finished(first, 200, 1500, 10);
        page.request_finished(second, 503, 0, 5);
        let counters = page.counters();
        assert_eq!(
            (counters.requests, counters.bytes_out, counters.in_flight()),
            (2, 15, 0)
        );
        assert_eq!(counters.status, [0, 0, 1, 0, 0, 1]);
        assert_eq!(
            (
                counters.latency[0],
                counters.latency[11],
                counters.duration_us
            ),
            (1, 1, 1500)
        );
        assert_eq!(page.in_flight(), []);
    }

    #[test]
    fn more_requests_than_entries_are_counted_but_not_shown() {
        let page = page();
        let tickets: Vec<Ticket> = (0..40)
            .map(|n| page.request_started(b"GET", &[b'/'; 500], b"", n))
            .collect();
        assert_eq!(
            (page.in_flight().len(), page.counters().in_flight()),
            (21, 40)
        );
        assert_eq!(page.in_flight()[0].path.len(), 240);
        tickets
            .into_iter()
            .for_each(|ticket| page.request_finished(ticket, 999, u64::MAX, 0));
        assert_eq!(
            (page.in_flight().len(), page.counters().in_flight()),
            (0, 0)
        );
    }

    #[test]
    fn a_method_or_path_of_any_length_is_cut_and_never_mixed_with_an_older_one() {
        let page = page();
        let ticket = page.request_started(
            b"PROPPATCH-AND-MUCH-MORE",
            b"/a/long/one/before",
            &[b'i'; 500],
            1,
        );
        assert_eq!(page.in_flight()[0].id, Some("i".repeat(40)));
        page.request_finished(ticket, 0, 0, 0);
        let _running = page.request_started(b"", "/é".as_bytes(), b"", 2);
        assert_eq!(
            page.in_flight(),
            [InFlight {
                started_ms: 2,
                method: String::new(),
                path: "/é".to_owned(),
                id: None,
                runs: false,
            }]
        );
    }

    #[test]
    fn a_request_runs_or_waits_and_is_never_taken_for_its_successor() {
        let page = page();
        let first = page.request_started(b"GET", b"/one", b"a-1", 1);
        let mark = first.mark();
        page.app_runs(mark);
        let seen = page.in_flight();
        assert_eq!((seen[0].id.as_deref(), seen[0].runs), (Some("a-1"), true));
        page.app_rests(mark);
        assert!(!page.in_flight()[0].runs);
        page.app_runs(mark);
        page.request_finished(first, 200, 0, 0);
        let _second = page.request_started(b"GET", b"/two", b"", 2);
        assert!(!page.in_flight()[0].runs);
        page.app_rests(mark);
        page.app_runs(mark);
        assert!(!page.in_flight()[0].runs);
    }
}
