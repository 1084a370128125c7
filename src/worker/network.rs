//! What all connections of one worker share. It does not read or write a socket.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use parking_lot::{Mutex, MutexGuard};

use super::allowance::Allowance;
use super::busy::Busy;
use super::complaints::Complaints;
use super::connection::Conn;
use super::exchange::Exchange;
use super::files::{FileServer, SendfileRoot};
use super::held::Held;
use super::key::{ConnKey, RequestKey};
use super::ledger::Ledger;
use super::timers::Timers;
use crate::config::{Settings, StaticMount};
use crate::http::{Date, HeaderMap, KeepAlive, Policy, RequestHead};
use crate::ipc::{DrainReason, Page};
use crate::proxy::Forwarded;
use crate::sys::epoll::Wake;
use crate::sys::{self, Listener, stream};
use crate::websocket::Codecs;

/// The side of a connection that answers requests: the ASGI or the WSGI half of the worker.
///
/// Called with the connection locked, on whatever thread made progress: it must only note and return.
pub trait App: Send + Sync {
    /// A request is complete up to its head, and accepted.
    fn request(&self, exchange: Exchange, head: RequestHead);
    /// Whether a WebSocket handshake is more to it than a GET.
    fn takes_websockets(&self) -> bool {
        false
    }
    /// An app that waits in `receive` may look again.
    fn readable(&self, key: RequestKey);
    /// An app that waits in `send` may go on.
    fn writable(&self, key: RequestKey);
    /// The request has taken too long: its task is to be cancelled. False: this app cannot do that, and the request goes on.
    fn cancel(&self, _key: RequestKey) -> bool {
        false
    }
    /// The last connection of a draining worker is gone.
    fn quiet(&self);
    /// Whether one more connection would be served at once; otherwise it is for another worker.
    fn has_room(&self) -> bool {
        true
    }
    /// As `has_room`, for the sentinel: where there is none, `picked` will wake it when there is.
    fn awaits_room(&self) -> bool {
        !self.has_room()
    }
    /// Grows while requests come to their end.
    fn completed(&self) -> u64 {
        0
    }
    /// Until when this worker has shown signs of life, `now` being the thread's own.
    fn pulse(&self, now: u64) -> Pulse {
        Pulse {
            best: now,
            slowest: None,
        }
    }
    /// Whether a response head is sent that has waited for its body for a while.
    fn sends_lonely_heads(&self) -> bool {
        true
    }
}

/// Signs of life, in monotonic milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pulse {
    /// Of whoever in the worker gets on best.
    pub best: u64,
    /// Where several threads run the app: of the one that has made no progress for longest.
    pub slowest: Option<u64>,
}

/// A connection that nobody reads yet.
pub struct Accepted {
    pub fd: OwnedFd,
    /// `None`: a unix peer.
    pub peer: Option<SocketAddr>,
    /// Index into the worker's listeners.
    pub listener: usize,
}

/// Whether this worker takes new work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    Serving,
    Draining(DrainReason),
}

pub struct Network {
    pub settings: Arc<Settings>,
    pub policy: Arc<Policy>,
    /// For peers that are trusted as proxies.
    pub proxies_policy: Arc<Policy>,
    pub page: Page,
    /// Wakes the thread that sleeps in the reactor.
    pub wake: Wake,
    pub accepted: Mutex<VecDeque<Accepted>>,
    /// The worker's copies of the listeners; none before Go, and none again from the drain on.
    pub doors: Mutex<Vec<Arc<Listener>>>,
    /// Connections that have closed, and whose places in the reactor are free.
    pub closed: Mutex<Vec<ConnKey>>,
    /// Connections that have had their share of a turn, and could go on at once.
    pub unfinished: Mutex<Vec<Arc<Conn>>>,
    pub timers: Mutex<Timers>,
    pub forwarded: Forwarded,
    pub complaints: Complaints,
    /// Descriptors have run out: idle connections are to give theirs back.
    pub wants_descriptors: AtomicBool,
    pub held: Held,
    pub allowance: Arc<Allowance>,
    /// What compressed WebSockets share.
    pub codecs: Arc<Codecs>,
    /// Wakes the sentinel.
    pub picked: Arc<Wake>,
    pub busy: Busy,
    pub ledger: Ledger,
    app: OnceLock<Box<dyn App>>,
    /// Where something is mounted.
    files: OnceLock<FileServer>,
    /// Where files may be that the app names.
    pub sendfile_root: Option<SendfileRoot>,
    date: Mutex<(u64, Date)>,
    now: AtomicU64,
    /// Turns of the reactor; odd while a thread sleeps in it.
    turns: AtomicU64,
    stage: AtomicU8,
    /// The server is about to drain: each connection is to end with its next answer.
    last_answers: AtomicBool,
    /// When draining began to close idle connections, in monotonic milliseconds.
    idle_until: AtomicU64,
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
            complaints: Complaints::default(),
            wants_descriptors: AtomicBool::new(false),
            held: Held::default(),
            allowance: Arc::default(),
            codecs: Arc::default(),
            picked: Arc::new(Wake::new()?),
            busy: Busy::new(page),
            ledger: Ledger::new(settings.clone(), page),
            settings,
            policy,
            proxies_policy,
            page,
            wake: Wake::new()?,
            accepted: Mutex::default(),
            doors: Mutex::default(),
            closed: Mutex::default(),
            unfinished: Mutex::default(),
            timers: Mutex::default(),
            app: OnceLock::new(),
            files: OnceLock::new(),
            date: Mutex::new((0, Date::at(0))),
            now: AtomicU64::new(sys::monotonic_ms()),
            turns: AtomicU64::new(0),
            stage: AtomicU8::new(0),
            last_answers: AtomicBool::new(false),
            idle_until: AtomicU64::new(u64::MAX),
            connections: AtomicU32::new(0),
        })
    }

    /// Said once, before the first connection.
    pub fn set_app(&self, app: Box<dyn App>) {
        // A second app would be a bug of ours; the first one stays.
        drop(self.app.set(app));
    }

    /// Said once, before the first connection.
    pub fn serve_files(&self, mounts: &[StaticMount]) {
        if let Some(files) = FileServer::new(mounts, &self.settings) {
            // As for the app.
            drop(self.files.set(files));
        }
    }

    /// What is served without the app, if there is something.
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
        self.now.load(Relaxed)
    }

    /// The step of the app has ended: what it held back leaves.
    pub fn end_step(&self) {
        self.held.next_step();
        if !self.held.is_empty() {
            self.write_held();
        }
    }

    /// Writes all held output. True: there was some.
    pub fn write_held(&self) -> bool {
        let held = self.held.take();
        for conn in &held {
            conn.write_held();
        }
        !held.is_empty()
    }

    /// That connection has more to do than its share of this turn.
    pub(super) fn go_on_with(&self, conn: Arc<Conn>) {
        self.unfinished.lock().push(conn);
        self.wake.wake();
    }

    /// The reactor goes to sleep: whatever comes is noticed at once.
    pub(super) fn falls_asleep(&self) {
        self.busy.falls_asleep();
        self.turns.fetch_add(1, Relaxed);
    }

    /// The reactor is awake, for as long as the app takes. Returns the time.
    pub(super) fn wakes_up(&self) -> u64 {
        self.turns.fetch_add(1, Relaxed);
        let now = sys::clock::monotonic_us();
        self.busy.wakes_up(now);
        self.update_clock(now / 1000)
    }

    /// Changes with every turn; odd: asleep.
    pub(super) fn turns(&self) -> u64 {
        self.turns.load(Relaxed)
    }

    /// Accepts one connection, if one waits at any of the doors. Errors are the sentinel's: it backs off when
    /// descriptors run out.
    pub(super) fn take_waiting(&self) -> Option<Accepted> {
        let doors = self.doors.lock();
        doors.iter().enumerate().find_map(|(listener, door)| {
            let (fd, peer) = stream::accept(door.fd.as_fd()).ok()?;
            Some(Accepted { fd, peer, listener })
        })
    }

    /// A turn of the reactor on a clock of the test's.
    #[cfg(test)]
    pub fn next_turn(&self, now: u64) {
        self.turns.fetch_add(2, Relaxed);
        self.now.store(now, Relaxed);
    }

    fn update_clock(&self, now: u64) -> u64 {
        if self.now.swap(now, Relaxed) != now {
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

    /// The `Date` of now, at most a second old.
    pub fn date(&self) -> MutexGuard<'_, (u64, Date)> {
        let mut date = self.date.lock();
        let tick = self.now() / 500;
        if date.0 != tick {
            let seconds = SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .unwrap_or(Duration::ZERO)
                .as_secs();
            let lines = Date::at(seconds);
            *date = (
                tick,
                if self.settings.server_header {
                    lines
                } else {
                    lines.without_server()
                },
            );
        }
        date
    }

    pub fn stage(&self) -> Stage {
        match self.stage.load(Relaxed) {
            0 => Stage::Serving,
            1 => Stage::Draining(DrainReason::Replaced),
            _ => Stage::Draining(DrainReason::Shutdown),
        }
    }

    /// From here on answers say `Connection: close`; idle connections stay open for a while.
    pub fn begin_drain(&self, reason: DrainReason) {
        let grace = match reason {
            DrainReason::Replaced | DrainReason::Removed => self.settings.keepalive_drain,
            DrainReason::Shutdown => self.settings.keepalive_drain.min(Duration::from_secs(1)),
        };
        self.idle_until
            .store(sys::monotonic_ms() + millis(grace), Relaxed);
        self.stage.store(
            if reason == DrainReason::Replaced {
                1
            } else {
                2
            },
            Relaxed,
        );
    }

    pub fn close_after_answers(&self) {
        self.last_answers.store(true, Relaxed);
    }

    /// Known before the thread that runs Python has heard of a drain, which may take it long.
    pub fn gives_last_answers(&self) -> bool {
        self.last_answers.load(Relaxed) || self.stage() != Stage::Serving
    }

    /// When idle connections of a draining worker are closed.
    pub fn idle_until(&self) -> u64 {
        self.idle_until.load(Relaxed)
    }

    pub fn connections(&self) -> u32 {
        self.connections.load(Relaxed)
    }

    pub(super) fn connection_opened(&self) {
        self.connections.fetch_add(1, Relaxed);
        self.page.connection_opened();
    }

    pub(super) fn connection_closed(&self, key: ConnKey) {
        self.closed.lock().push(key);
        self.page.connection_closed();
        if self.connections.fetch_sub(1, Relaxed) == 1 && self.stage() != Stage::Serving {
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
            crate::config::HeaderMap::Drop => HeaderMap::Drop,
            crate::config::HeaderMap::Refuse => HeaderMap::Refuse,
            crate::config::HeaderMap::Dangerous => HeaderMap::Dangerous,
        },
        exempt_names: Vec::new(),
        keep_alive: if settings.client.keep_alive.is_zero() {
            KeepAlive::Off
        } else {
            KeepAlive::Allowed
        },
    }
}

/// With the names that they may set although clients may not.
fn proxies_policy(policy: &Policy, settings: &Settings) -> Policy {
    let names = &settings.forwarder_headers;
    Policy {
        header_map: if names.iter().any(|name| name == "*") {
            HeaderMap::Dangerous
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
