//! The state that all connections of one worker share.

use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use super::agenda::Agenda;
use super::busy::Busy;
use super::clock::TurnClock;
use super::compressor::Compressor;
use super::drain::{Drain, DrainStage};
use super::files::{FileServer, SendfileRoot};
use super::intake::Intake;
use super::key::{ConnKey, RequestKey};
use super::ledger::Ledger;
use super::log_throttle::LogThrottle;
use super::memory_budget::MemoryBudget;
use super::pool::Pool;
use super::tls::TlsListeners;
use super::transport::Transport;
use super::turn_budget::TurnBudget;
use super::write_coalescer::{Until, WriteCoalescer};
use crate::config::{Settings, StaticMount};
use crate::http::{KeepAlive, Policy, UnderscorePolicy};
use crate::ipc::{DrainReason, HeldGeneration, Page};
use crate::proxy::Forwarded;
use crate::sys;
use crate::sys::epoll::Wake;
use crate::websocket::Codecs;

/// The ASGI or the WSGI half of the worker, as connections and the worker's other parts see it; it gets requests as a
/// `RequestHandler`.
///
/// Called with the connection locked, on whatever thread made progress: it must only queue and return.
pub trait App: Send + Sync {
    /// Whether WebSocket handshakes are supported; otherwise they are plain GET requests.
    fn takes_websockets(&self) -> bool {
        false
    }
    /// Whether the thread that runs the app also turns the reactor, so that output of one step can be sent together.
    fn works_in_steps(&self) -> bool {
        false
    }
    /// An app that waits in `receive` can retry.
    fn readable(&self, key: RequestKey);
    /// An app that waits in `send` can continue.
    fn writable(&self, key: RequestKey);
    /// The request has timed out: its task is to be cancelled. False: this app cannot do that, and the request
    /// continues.
    fn cancel(&self, _key: RequestKey) -> bool {
        false
    }
    /// The last connection of a draining worker was closed.
    fn quiet(&self);
    /// Whether one more connection would be served at once; otherwise it is left to another worker.
    fn has_room(&self) -> bool {
        true
    }
    /// As `has_room`, for the sentinel: if there is none, `picked` wakes it when there is.
    fn awaits_room(&self) -> bool {
        !self.has_room()
    }
    /// Increases as requests end.
    fn completed(&self) -> u64 {
        0
    }
    /// Changes as the app gets to requests that wait for it; `turns`: of the reactor.
    fn progress(&self, turns: u64) -> u64 {
        turns
    }
    /// Turns the reactor beside a thread that the app blocks, if the app has no other one for that.
    fn attend(&self, _taken: TakenBeside) {}
    /// Whether a request waits for the app.
    fn has_waiting(&self) -> bool {
        false
    }
    /// Heartbeat of this worker; `now` is the calling thread's time.
    fn pulse(&self, now: u64) -> Pulse {
        Pulse {
            best: now,
            slowest: None,
        }
    }
    /// Whether a response head is sent that has waited for its body for a while.
    fn flushes_head_early(&self) -> bool {
        true
    }
}

/// What a turn of the reactor beside a blocked app reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TakenBeside {
    /// Connections that it has already. An accepted one can still leave, which it cannot once its handshake was read.
    Kept,
    /// Those that were accepted, too.
    Accepted,
}

/// Heartbeats, in monotonic milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pulse {
    /// Of the thread with the latest progress.
    pub best: u64,
    /// If several threads run the app: of the one that has made no progress for longest.
    pub slowest: Option<u64>,
}

pub struct Network {
    pub settings: Arc<Settings>,
    pub policy: Arc<Policy>,
    /// For peers that are trusted as proxies.
    pub proxies_policy: Arc<Policy>,
    pub page: Page,
    /// Wakes the thread that sleeps in the reactor.
    pub wake: Wake,
    pub intake: Intake,
    pub agenda: Agenda,
    pub forwarded: Forwarded,
    pub log_throttle: LogThrottle,
    pub write_coalescer: WriteCoalescer,
    pub memory_budget: Arc<MemoryBudget>,
    /// Shared by compressed responses, where there are any.
    pub compressor: Option<Arc<Compressor>>,
    /// Shared by compressed WebSockets.
    pub codecs: Arc<Codecs>,
    pub busy: Busy,
    pub ledger: Ledger,
    pub tls: TlsListeners,
    /// The generation to which requests with `--preview-header` belong, where there is that.
    pub held: Option<HeldGeneration>,
    app: OnceLock<Arc<dyn App>>,
    /// Set where a directory is mounted.
    files: OnceLock<FileServer>,
    /// Root of the files that the app may name.
    pub sendfile_root: Option<SendfileRoot>,
    pub clock: TurnClock,
    pub turn_budget: TurnBudget,
    pub drain: Drain,
    connections: AtomicU32,
}

impl Network {
    pub fn new(settings: Arc<Settings>, page: Page) -> std::io::Result<Self> {
        let policy = Arc::new(policy(&settings));
        let proxies_policy = Arc::new(proxies_policy(&policy, &settings));
        Ok(Self {
            sendfile_root: settings
                .files
                .sendfile_root
                .as_deref()
                .map(SendfileRoot::new),
            forwarded: Forwarded::new(&settings),
            log_throttle: LogThrottle::default(),
            write_coalescer: WriteCoalescer::default(),
            memory_budget: Arc::default(),
            compressor: settings
                .compression
                .as_ref()
                .map(|compression| Arc::new(Compressor::new(compression))),
            codecs: Arc::default(),
            busy: Busy::new(page),
            ledger: Ledger::new(settings.clone(), page),
            clock: TurnClock::new(settings.server_header),
            turn_budget: TurnBudget::default(),
            drain: Drain::default(),
            tls: TlsListeners::default(),
            held: None,
            settings,
            policy,
            proxies_policy,
            page,
            wake: Wake::new()?,
            intake: Intake::new()?,
            agenda: Agenda::default(),
            app: OnceLock::new(),
            files: OnceLock::new(),
            connections: AtomicU32::new(0),
        })
    }

    /// For an accepted connection. A PROXY header comes before the handshake. `None`: TLS is required and cannot be
    /// started.
    pub(super) fn transport(
        &self,
        fd: OwnedFd,
        peer: Option<SocketAddr>,
        listener: Option<usize>,
    ) -> Option<Transport> {
        let tls = self.tls.at(listener);
        Some(match tls.filter(|_| !self.sends_proxy_header(peer)) {
            Some(server) => Transport::tls(fd, server.session()?),
            None => Transport::plain(fd),
        })
    }

    /// Set once, before the first connection.
    pub fn set_app(&self, app: Arc<dyn App>) {
        // A second app would be a bug of ours; the first one is kept.
        drop(self.app.set(app));
    }

    /// Set once, before the first connection.
    pub fn serve_files(&self, mounts: &[StaticMount]) {
        if let Some(files) = FileServer::new(mounts, &self.settings) {
            // As for the app.
            drop(self.files.set(files));
        }
    }

    /// Ends the threads of all pools; none has a job any more.
    pub fn end_pools(&self) {
        if let Some(compressor) = &self.compressor {
            compressor.pool.end();
        }
        let files = self.files().map(|files| &files.pool);
        let sendfile = self.sendfile_root.as_ref().map(|root| &root.pool);
        files.into_iter().chain(sendfile).for_each(Pool::end);
    }

    /// The static files, if a directory is mounted.
    pub fn files(&self) -> Option<&FileServer> {
        self.files.get()
    }

    pub fn app(&self) -> &dyn App {
        self.app
            .get()
            .expect("the app is set before the reactor turns")
            .as_ref()
    }

    /// Monotonic milliseconds as of the last turn of the reactor.
    pub fn now(&self) -> u64 {
        self.clock.now()
    }

    /// The step of the app has ended: held output is sent.
    pub fn end_step(&self) {
        self.write_coalescer.next_step();
        self.write_held(Until::StepEnds);
    }

    /// All that was to run in this turn of the event loop has run.
    pub fn end_turn(&self) {
        self.end_step();
        self.write_held(Until::TurnEnds);
    }

    /// Writes the output that is held until then. True: there was some.
    pub fn write_held(&self, until: Until) -> bool {
        let held = self.write_coalescer.take(until);
        let any = !held.is_empty();
        for conn in held {
            conn.write_held();
        }
        any
    }

    /// That connection has more to do than its share of this turn.
    pub(super) fn go_on_with(&self, key: ConnKey) {
        self.agenda.unfinished.lock().push_back(key);
        self.wake.wake();
    }

    /// Resumes connections that had more to do than their share of an earlier turn, one after the other while the turn has time; the rest
    /// comes first in the next one.
    pub(super) fn resume_unfinished(&self, resume: impl Fn(ConnKey)) {
        // Those that use up their share again come after all others.
        let count = self.agenda.unfinished.lock().len();
        if count == 0 {
            return;
        }
        self.turn_budget.begin_queue();
        for n in 0..count {
            if n > 0 && self.turn_budget.is_used_up() {
                self.wake.wake();
                return;
            }
            let next = self.agenda.unfinished.lock().pop_front();
            if let Some(key) = next {
                resume(key);
            }
        }
    }

    /// The reactor is about to sleep: from here on work is noticed at once.
    pub(super) fn falls_asleep(&self) {
        self.busy.falls_asleep();
        self.turn_budget.sleep();
        self.clock.turn();
    }

    /// The reactor has woken up, until it sleeps again. Returns the time.
    pub(super) fn wakes_up(&self) -> u64 {
        self.clock.turn();
        let now = sys::clock::monotonic_us();
        self.busy.wakes_up(now);
        self.turn_budget.begin(now);
        self.update_clock(now / 1000)
    }

    /// A turn of the reactor on a virtual clock, for tests.
    #[cfg(test)]
    pub fn next_turn(&self, now: u64) {
        self.clock.turn();
        self.clock.turn();
        self.clock.set(now);
        self.turn_budget.begin_queue();
    }

    fn update_clock(&self, now: u64) -> u64 {
        if self.clock.set(now) {
            match self.app.get().map(|app| app.pulse(now)) {
                None => self.page.beat(now),
                Some(Pulse { best, slowest }) => {
                    self.page.beat(best);
                    if let Some(slowest) = slowest {
                        self.page.beat_slowest(slowest);
                    }
                }
            }
        }
        now
    }

    /// From here on responses carry `Connection: close`; idle connections stay open for a while.
    pub fn begin_drain(&self, reason: DrainReason) {
        let grace = match reason {
            DrainReason::Replaced | DrainReason::Removed => self.settings.keepalive_drain,
            DrainReason::Shutdown => self.settings.keepalive_drain.min(Duration::from_secs(1)),
        };
        self.drain
            .begin(reason, sys::monotonic_ms() + millis(grace));
    }

    pub fn connections(&self) -> u32 {
        self.connections.load(Relaxed)
    }

    pub(super) fn connection_opened(&self) {
        self.connections.fetch_add(1, Relaxed);
        self.page.connection_opened();
    }

    pub(super) fn connection_closed(&self, key: ConnKey) {
        self.agenda.closed.lock().push(key);
        self.page.connection_closed();
        if self.connections.fetch_sub(1, Relaxed) == 1 && self.drain.stage() != DrainStage::Serving
        {
            self.app().quiet();
        }
    }
}

fn policy(settings: &Settings) -> Policy {
    Policy {
        limit_request_line: settings.limits.request_line,
        limit_request_fields: settings.limits.fields,
        limit_request_field_size: settings.limits.field_size,
        limit_request_body: settings.limits.body,
        header_map: match settings.header_map {
            crate::config::HeaderMap::Drop => UnderscorePolicy::Drop,
            crate::config::HeaderMap::Refuse => UnderscorePolicy::Refuse,
            crate::config::HeaderMap::Dangerous => UnderscorePolicy::Dangerous,
        },
        exempt_names: Vec::new(),
        keep_alive: if settings.client.keep_alive.is_zero() {
            KeepAlive::Off
        } else {
            KeepAlive::Allowed
        },
    }
}

/// With the fields that proxies may set although clients may not.
fn proxies_policy(policy: &Policy, settings: &Settings) -> Policy {
    let names = &settings.forwarder_headers;
    Policy {
        header_map: if names.iter().any(|name| name == "*") {
            UnderscorePolicy::Dangerous
        } else {
            policy.header_map
        },
        exempt_names: names.iter().map(|name| name.as_bytes().into()).collect(),
        ..policy.clone()
    }
}

pub(super) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX / 2)
}
