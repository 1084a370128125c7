//! The offset of each number on the scoreboard, in 64-bit words. Any change here raises `VERSION`; a word that is used
//! for the first time, and means nothing while it is zero, does not.
//!
//! `[header][slot totals × slots][page × pages]`. A page: facts, counters, gauges, then the requests in flight.

/// "rgunsb" in ASCII, so that a reader knows what it has mapped.
pub const MAGIC: u64 = 0x0072_6775_6e73_6200;
pub const VERSION: u64 = 13;

/// The header.
pub mod header {
    pub const MAGIC: usize = 0;
    pub const VERSION: usize = 1;
    pub const PAGE_WORDS: usize = 2;
    pub const PAGES: usize = 3;
    pub const SLOTS: usize = 4;
    /// Odd while the master moves the counters of a dead worker to its slot: readers wait for an even one.
    pub const FOLDING: usize = 5;
    /// `facts::Service`.
    pub const SERVICE: usize = 6;
    /// Pages below this one have been given out at least once; no reader looks at the others.
    pub const USED: usize = 7;
    /// `facts::Facts`, from here to the end.
    pub const BEAT: usize = 8;
    pub const PID: usize = 9;
    pub const TARGET: usize = 10;
    pub const GENERATION: usize = 11;
    pub const STARTED: usize = 12;
    /// Succeeded, failed.
    pub const RELOADS: usize = 13;
    /// As `USED`, of slots.
    pub const USED_SLOTS: usize = 15;
    /// By cause.
    pub const RESTARTS: usize = 16;
    /// The generation that is staged or a canary, and takes what others pass to it; zero: none. The highest bit: visitors of a canary stay with their version.
    pub const HELD: usize = 26;
    /// The incarnation of the worker that is the leader; zero: no worker.
    pub const LEADER: usize = 27;
    /// Of a number of workers that follows the load: least, most, how often it was raised and lowered.
    pub const SCALING: usize = 28;
    /// Two words for each listener: waiting, most.
    pub const QUEUE: usize = 32;
    pub const QUEUES: usize = 14;
    /// Random and never zero: what the cookies of a canary's visitors are made from.
    pub const COOKIE_SEED: usize = 60;
    /// `MonitorBeat`.
    pub const MONITOR_BEAT: usize = 62;
    pub const MONITOR_RESTARTS: usize = 63;
    pub const WORDS: usize = 64;
}

/// Counters that only grow; the same order in a page and in a slot's totals.
pub mod counter {
    pub const REQUESTS: usize = 0;
    /// Requests that ended, by class of status: 0 = without a response, 1 = 1xx … 5 = 5xx.
    pub const STATUS: usize = 1;
    pub const STATUSES: usize = 6;
    pub const BYTES_IN: usize = 7;
    pub const BYTES_OUT: usize = 8;
    /// The time in which the worker was not asleep, as `busy` writes it.
    pub const BUSY: usize = 9;
    pub const ACCEPTED: usize = 10;
    /// Sum of the durations of all requests in microseconds.
    pub const DURATION: usize = 11;
    /// Bucket `i` counts the requests that took less than 2^i microseconds (and not less than half of that); the last, the rest.
    pub const LATENCY: usize = 12;
    pub const BUCKETS: usize = 28;
    /// Connections by how long they waited to be accepted, and the sum in milliseconds. Bucket `i`: less than 2^i ms.
    pub const ACCEPT_WAIT: usize = LATENCY + BUCKETS;
    pub const ACCEPT_WAIT_SUM: usize = ACCEPT_WAIT + WAITS;
    /// Requests by how long ago a proxy took them, where one sends that time; and the sum in milliseconds.
    pub const QUEUE: usize = ACCEPT_WAIT_SUM + 1;
    pub const QUEUE_SUM: usize = QUEUE + WAITS;
    pub const WAITS: usize = 18;
    /// Temporary files that could not be made or written.
    pub const SPOOL_FAILURES: usize = QUEUE_SUM + 1;
    /// Responses without the app: `FILE_STATUSES` words for each of `FILE_CODINGS`.
    pub const FILES: usize = SPOOL_FAILURES + 1;
    pub const FILE_CODINGS: usize = 4;
    pub const FILE_STATUSES: usize = 8;
    /// Connections, their requests, and the connections that were closed with ENHANCE_YOUR_CALM.
    pub const HTTP2: usize = FILES + FILE_CODINGS * FILE_STATUSES;
    pub const HTTP2_WORDS: usize = 3;
    /// Exceptions that left the app.
    pub const EXCEPTIONS: usize = HTTP2 + HTTP2_WORDS;
    /// Python's garbage collections by generation, then the microseconds that they have taken.
    pub const GARBAGE: usize = EXCEPTIONS + 1;
    pub const GARBAGE_GENERATIONS: usize = 3;
    /// Connections that were passed on to another worker, and the requests among them that had begun here.
    pub const PASSED_ON: usize = GARBAGE + 2 * GARBAGE_GENERATIONS;
    /// Requests that were answered with 503 because they had waited too long.
    pub const SHED: usize = PASSED_ON + 2;
    pub const WORDS: usize = SHED + 1;
}

/// A page: one worker incarnation.
pub mod page {
    /// Zero: the page is free.
    pub const OWNED: usize = 0;
    pub const PID: usize = 1;
    pub const SLOT: usize = 2;
    pub const GENERATION: usize = 3;
    pub const STATE: usize = 4;
    /// Monotonic milliseconds.
    pub const HEARTBEAT: usize = 5;
    pub const CONNECTIONS: usize = 6;
    /// One bit for each taken entry of `ENTRIES`.
    pub const TAKEN: usize = 7;
    /// How many threads run the app.
    pub const THREADS: usize = 8;
    /// As `HEARTBEAT`, of the slowest of several threads.
    pub const SLOWEST: usize = 9;
    /// One while the worker takes connections that others pass on.
    pub const ROOM: usize = 10;
    pub const COUNTERS: usize = 16;
    pub const ENTRIES: usize = 144;
    pub const ENTRY_COUNT: usize = 21;
    pub const WORDS: usize = 1024;
}

/// One request in flight, inside a page.
pub mod entry {
    /// Monotonic milliseconds plus one; zero while the entry is empty or being written.
    pub const START: usize = 0;
    /// Length of the method in the lowest byte, of the id in the next one, of the path in the high half, as far as stored.
    pub const LENGTHS: usize = 1;
    /// Which of the worker's requests it is: the first is 1.
    pub const SERIAL: usize = 2;
    /// The same number while the app's code for it runs.
    pub const RUNS: usize = 3;
    pub const METHOD: usize = 4;
    pub const METHOD_WORDS: usize = 2;
    pub const ID: usize = METHOD + METHOD_WORDS;
    pub const ID_WORDS: usize = 5;
    pub const PATH: usize = ID + ID_WORDS;
    pub const PATH_WORDS: usize = 30;
    pub const WORDS: usize = PATH + PATH_WORDS;
}

const _: () = assert!(page::COUNTERS + counter::WORDS <= page::ENTRIES);
const _: () = assert!(page::ENTRIES + page::ENTRY_COUNT * entry::WORDS <= page::WORDS);
const _: () = assert!(page::ENTRY_COUNT < 64);
const _: () = assert!(header::QUEUE + 2 * header::QUEUES <= header::COOKIE_SEED);
