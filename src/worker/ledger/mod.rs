//! The accounting of requests: an entry is opened once, when a head is accepted, and closed once, however the request
//! ends.
//!
//! Everything that is counted, shown and logged of a request passes through here: the scoreboard's page, the access
//! log, statsd, the queueing time in front of the server, and its id. A connection keeps the open [`Entry`] and
//! reports how the request ended.

mod record;
pub mod request_id;
mod request_start;

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use parking_lot::Mutex;

use crate::config::Settings;
use crate::http::{KnownName, RequestHead};
use crate::ipc::{InFlightMark, Page, Ticket};
use crate::observability::access::AccessLog;
use crate::observability::relay;
use crate::observability::statsd::Statsd;
use crate::sys;
use crate::worker::tls::TlsFacts;
use record::{Kept, WantedFields};
use request_id::Ids;

/// Status in logs and metrics of a request that ended before its response began, as in nginx: most often the client
/// has disconnected.
const UNANSWERED: u16 = 499;

pub struct Ledger {
    settings: Arc<Settings>,
    page: Page,
    /// Set where there is an access log.
    access: Option<Mutex<AccessLog>>,
    /// What has to be kept of requests for it.
    wanted: WantedFields,
    statsd: Option<Mutex<Statsd>>,
    ids: Ids,
    in_flight: AtomicU32,
}

/// A request in flight.
#[must_use = "the request is in flight until its entry is closed"]
pub struct Entry {
    ticket: Ticket,
    /// Monotonic microseconds at the end of its head.
    started_us: u64,
    /// Data for its access log line, if it gets one.
    kept: Option<Kept>,
    /// The client as reported by a proxy.
    pub client: Option<IpAddr>,
}

/// A connection that was upgraded, usually to a WebSocket: no longer in flight, for it may stay open for days, but
/// its access log line is still to be written.
#[must_use = "its line is still to be written"]
pub struct Upgraded {
    status: u16,
    started_us: u64,
    kept: Option<Kept>,
    client: Option<IpAddr>,
}

/// How a request ended.
#[derive(Debug, Clone, Copy)]
pub struct Outcome {
    /// Zero: no response had begun.
    pub status: u16,
    /// Length of the response's body.
    pub bytes: u64,
    /// The client, as far as the connection knows it.
    pub peer: Option<IpAddr>,
}

impl Ledger {
    pub fn new(settings: Arc<Settings>, page: Page) -> Self {
        Self {
            access: AccessLog::inherited(&settings.logging).map(Mutex::new),
            wanted: WantedFields::of(&settings),
            statsd: Statsd::inherited(&settings).map(Mutex::new),
            ids: Ids::new(),
            in_flight: AtomicU32::new(0),
            settings,
            page,
        }
    }

    /// Opens the entry of an accepted head, at `now_ms` of the reactor's clock.
    pub fn begin(&self, head: &RequestHead, now_ms: u64) -> Entry {
        let ticket = self.page.request_started(
            head.method().as_bytes(),
            head.target_path(),
            head.field(self.id_field()).unwrap_or_default(),
            now_ms,
        );
        self.in_flight.fetch_add(1, Relaxed);
        if let Some(value) = head.header(KnownName::XRequestStart)
            && let Some(waited) = request_start::waited_ms(value, wall_clock_us())
        {
            self.page.request_queued(waited);
        }
        Entry {
            ticket,
            started_us: sys::clock::monotonic_us(),
            kept: self.logs(head).then(|| Kept::of(head)),
            client: None,
        }
    }

    /// Closes the entry.
    pub fn end(&self, entry: Entry, outcome: Outcome) {
        let Entry {
            ticket,
            started_us,
            kept,
            client,
        } = entry;
        let taken = sys::clock::monotonic_us().saturating_sub(started_us);
        self.page
            .request_finished(ticket, outcome.status, taken, outcome.bytes);
        self.in_flight.fetch_sub(1, Relaxed);
        let status = if outcome.status == 0 {
            UNANSWERED
        } else {
            outcome.status
        };
        if let Some(statsd) = &self.statsd {
            statsd.lock().request(status, taken);
        }
        if kept.is_some() {
            let peer = client.or(outcome.peer);
            let outcome = Outcome {
                status,
                peer,
                ..outcome
            };
            self.record(kept.as_ref(), outcome, Duration::from_micros(taken));
        }
    }

    /// The request's connection was passed on: another worker opens an entry for it.
    pub fn pass_on(&self, entry: Entry) {
        self.page.request_passed_on(entry.ticket);
        self.in_flight.fetch_sub(1, Relaxed);
    }

    /// The upgrade was accepted, with that status.
    pub fn upgrade(&self, entry: Entry, status: u16) -> Upgraded {
        let Entry {
            ticket,
            started_us,
            mut kept,
            client,
        } = entry;
        let taken = sys::clock::monotonic_us().saturating_sub(started_us);
        self.page.request_finished(ticket, status, taken, 0);
        self.in_flight.fetch_sub(1, Relaxed);
        if let Some(kept) = &mut kept {
            kept.compact();
        }
        Upgraded {
            status,
            started_us,
            kept,
            client,
        }
    }

    /// The upgraded connection has ended; so many bytes of messages were sent.
    pub fn end_upgraded(&self, upgraded: Upgraded, bytes: u64, peer: Option<IpAddr>) {
        if upgraded.kept.is_some() {
            let outcome = Outcome {
                status: upgraded.status,
                bytes,
                peer: upgraded.client.or(peer),
            };
            let taken = sys::clock::monotonic_us().saturating_sub(upgraded.started_us);
            self.record(
                upgraded.kept.as_ref(),
                outcome,
                Duration::from_micros(taken),
            );
        }
    }

    /// Writes a line for a request that was refused before it had an entry; its head is unknown.
    pub fn refused(&self, outcome: Outcome) {
        self.record(None, outcome, Duration::ZERO);
    }

    pub fn in_flight(&self) -> u32 {
        self.in_flight.load(Relaxed)
    }

    /// Writes what was recorded since the last call: once per turn, not once per request.
    pub fn flush(&self) {
        if let Some(access) = &self.access {
            access.lock().flush();
        }
        if let Some(statsd) = &self.statsd {
            statsd.lock().flush();
        }
    }

    /// Reopens the access log if its file was rotated.
    pub fn follow_rotation(&self) {
        if let Some(access) = &self.access {
            access.lock().follow_rotation();
        }
    }

    /// Writes a line of the app to the access log. Called from any thread, possibly without a turn of the reactor
    /// after it.
    pub fn write_line(&self, text: &str) {
        if let Some(access) = &self.access {
            let mut access = access.lock();
            access.write_raw(text);
            access.flush();
        }
    }

    /// Names in the environ that the access log's format uses, lower-cased; `None`: all of it, for Python's
    /// formatters.
    pub fn wanted_environ(&self) -> Option<&[String]> {
        let all = self.access.is_some() && relay::takes_access();
        (!all).then_some(self.wanted.environ.as_slice())
    }
}

impl Entry {
    /// For the page: whether the app's code runs for this request.
    pub fn mark(&self) -> InFlightMark {
        self.ticket.mark()
    }

    /// For its line in the access log.
    pub fn note_tls(&mut self, tls: &Arc<TlsFacts>) {
        if let Some(kept) = &mut self.kept {
            kept.tls = Some(Arc::clone(tls));
        }
    }

    pub fn age(&self) -> Duration {
        Duration::from_micros(sys::clock::monotonic_us().saturating_sub(self.started_us))
    }

    /// Keeps what the access log needs of the response: its serialised head.
    pub fn note_response(&mut self, ledger: &Ledger, head: impl FnOnce() -> Vec<u8>) {
        if (ledger.wanted.response || relay::takes_access())
            && let Some(kept) = &mut self.kept
        {
            kept.captured().response = head();
        }
    }

    /// Keeps values of the environ, as the app has left them.
    pub fn note_environ(&mut self, found: Vec<(String, Vec<u8>)>) {
        if let Some(kept) = &mut self.kept {
            kept.captured().environ = found;
        }
    }
}

/// Microseconds since 1970.
fn wall_clock_us() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.map_or(0, |now| u64::try_from(now.as_micros()).unwrap_or(u64::MAX))
}
