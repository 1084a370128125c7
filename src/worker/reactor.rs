//! The worker's connections, and the one epoll instance that every thread sleeps in.

use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use super::connection::{Conn, RequestSink};
use super::connection_table::ConnectionTable;
use super::context::WorkerContext;
use super::intake::Accepted;
use super::key::ConnKey;
use super::network::{Network, TakenBeside, millis};
use super::timers::TICK_MS;
use crate::sys::epoll::{Epoll, Wake, WatchMode};
use crate::sys::{self, last_data_received};

const WAKE: u64 = 0;
const LOOP: u64 = 1;
/// Events that are handled in one turn.
const EVENTS: usize = 256;
/// Connections accepted in one turn, beside the sentinel's: their requests come first.
const AT_ONCE: usize = 4;
/// Longest interval of the heartbeat, also of an idle worker.
const IDLE_TICK_MS: u64 = 1_000;
/// When descriptors have run out, idle connections are closed at this interval, one in so many at a time.
const SHED_MS: u64 = 80;
const SHED_SHARE: usize = 4;

pub struct Reactor {
    net: Arc<Network>,
    requests: Arc<Box<dyn RequestSink>>,
    epoll: Epoll,
    /// The event loop's own epoll instance, where there is one.
    event_loop: Option<OwnedFd>,
    connections: ConnectionTable,
    /// Notifies the sentinel that its connection was picked up.
    picked: Arc<Wake>,
    next_tick: u64,
    /// Turns with as many events as they can have, one after another.
    full_turns: usize,
    /// Milliseconds between two heartbeats of an idle worker.
    idle_tick: u64,
    next_shed: u64,
    /// The sentinel leaves the listeners to the reactor for now.
    is_hot: bool,
    watch_new: WatchNew,
    /// How long connections wait to be accepted: the monitor shows it, and scaling follows it.
    measures_waits: bool,
    /// Connections to be registered in the next turn, if they are still open then.
    unwatched: Vec<Arc<Conn>>,
    /// The event loop's descriptors became ready in a turn of another thread.
    loop_ready: bool,
}

/// When a new connection that has brought a request is registered with epoll.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WatchNew {
    AtOnce,
    /// In the next turn: many are answered and closed before, and never need it. For owners that always return to the
    /// reactor before any thread sleeps.
    Later,
}

/// An idle worker must not look hung: at least two heartbeats within `--timeout`.
fn idle_tick(timeout: Option<Duration>) -> u64 {
    let half = timeout.map_or(IDLE_TICK_MS, |timeout| millis(timeout / 2));
    half.clamp(TICK_MS, IDLE_TICK_MS)
}

impl Reactor {
    pub fn new(context: &WorkerContext, watch_new: WatchNew) -> io::Result<Self> {
        let net = context.net.clone();
        let epoll = Epoll::new(EVENTS)?;
        epoll.add(net.wake.as_fd(), WatchMode::ReadableEdge, WAKE)?;
        let next_tick = net.now();
        let idle_tick = idle_tick(net.settings.timeout);
        let measures_waits = !net.settings.admin_bind.is_empty() || net.settings.scaling.is_some();
        Ok(Self {
            measures_waits,
            net,
            requests: Arc::new(Box::new(context.requests.clone())),
            epoll,
            event_loop: None,
            connections: ConnectionTable::new(),
            picked: context.picked.clone(),
            next_tick,
            full_turns: 0,
            idle_tick,
            next_shed: 0,
            is_hot: false,
            watch_new,
            unwatched: Vec::new(),
            loop_ready: false,
        })
    }

    /// Watches the epoll descriptor of a Python event loop, or a copy of it: edge-triggered, so that a loop that is
    /// not served stays quiet.
    pub fn watch_loop(&mut self, fd: OwnedFd) -> io::Result<()> {
        self.epoll.add(fd.as_fd(), WatchMode::ReadableEdge, LOOP)?;
        self.event_loop = Some(fd);
        Ok(())
    }

    /// Sleeps at most `timeout` (`None`: until there is an event), then handles every connection with events.
    /// True: descriptors of the Python event loop may be ready.
    pub fn turn(&mut self, timeout: Option<Duration>) -> io::Result<bool> {
        self.net.end_turn();
        self.unwatched
            .drain(..)
            .for_each(|conn| conn.watch(&self.epoll));
        // Before sleeping: records the requests that the app has answered since.
        self.net.ledger.flush();
        let tick = Duration::from_millis(if self.is_hot { 0 } else { self.until_tick() });
        self.net.falls_asleep();
        let count = self.epoll.wait(Some(timeout.map_or(tick, |t| t.min(tick))));
        let now = self.net.wakes_up();
        let count = count?;
        self.handle_events(count);
        self.adopt_accepted();
        if self.net.intake.awaits_turn.load(Relaxed) {
            self.net.intake.awaits_turn.store(false, Relaxed);
            self.picked.wake();
        }
        if self.net.intake.wants_descriptors.load(Relaxed) {
            self.shed_idle(now);
        }
        if self.has_looked_at_all(count) && now >= self.next_tick {
            self.tick(now);
        }
        self.sweep();
        Ok(std::mem::take(&mut self.loop_ready))
    }

    /// A turn by another thread than the app's, which the app blocks: it never sleeps, is no sign of life, and takes no
    /// connections from the listeners.
    pub fn turn_beside(&mut self, taken: TakenBeside) -> io::Result<()> {
        let count = self.epoll.wait(Some(Duration::ZERO))?;
        // A turn has an even number when it has ended.
        self.net.clock.turn();
        self.net.clock.turn();
        let now = sys::monotonic_ms();
        self.net.clock.set(now);
        self.net.turn_budget.begin(now * 1000);
        self.handle_events(count);
        while taken == TakenBeside::Accepted
            && let Some(accepted) = self.net.intake.next()
        {
            self.adopt(accepted);
        }
        if self.has_looked_at_all(count) && now >= self.next_tick {
            self.tick(now);
        }
        self.sweep();
        self.net.ledger.flush();
        Ok(())
    }

    /// Whether deadlines may be applied after a turn with `count` events. When the app has blocked the loop, what shows that a client is
    /// there may be behind the events of one turn; after as many full turns as there are connections for, all of it was read.
    fn has_looked_at_all(&mut self, count: usize) -> bool {
        let connections = usize::try_from(self.net.connections()).unwrap_or(usize::MAX);
        let is_full = count >= EVENTS && self.full_turns < connections / EVENTS;
        self.full_turns = if is_full { self.full_turns + 1 } else { 0 };
        !is_full
    }

    fn handle_events(&mut self, count: usize) {
        let mut is_woken = false;
        for n in 0..count {
            let Some(ready) = self.epoll.event(n) else {
                break;
            };
            match ready.token {
                WAKE => is_woken = true,
                LOOP => self.loop_ready = true,
                token => {
                    if let Some(conn) = self.connections.find(ConnKey::of_token(token)) {
                        conn.ready(ready);
                    }
                }
            }
        }
        if is_woken {
            self.net.resume_unfinished(|key| {
                if let Some(conn) = self.connections.find_any(key) {
                    conn.go_on();
                }
            });
        }
    }

    /// Milliseconds until `turn` must be called again.
    pub fn until_tick(&self) -> u64 {
        self.next_tick.saturating_sub(self.net.now())
    }

    /// Descriptors have run out: closes those idle connections that have been idle for longest, a few at a time, each
    /// with a short linger.
    fn shed_idle(&mut self, now: u64) {
        self.net.intake.wants_descriptors.store(false, Relaxed);
        if now < self.next_shed {
            return;
        }
        self.next_shed = now + SHED_MS;
        for conn in self.connections.each() {
            conn.hurry(now);
        }
        let mut idle: Vec<_> = self
            .connections
            .each()
            .filter_map(|conn| Some((conn.idle_since()?, conn.clone())))
            .collect();
        let count = idle.len().div_ceil(SHED_SHARE);
        if count == 0 {
            return;
        }
        idle.sort_unstable_by_key(|(since, _)| *since);
        for (_, conn) in &idle[..count] {
            conn.close_idle();
        }
        if self.net.log_throttle.admits("idle connections closed", now) {
            tracing::warn!(
                closed = count,
                "idle connections closed for their descriptors"
            );
        }
    }

    fn tick(&mut self, now: u64) {
        crate::observability::flush_pending();
        for (reason, count) in self.net.log_throttle.suppressed(now) {
            tracing::info!(reason, count, "similar messages suppressed");
        }
        let due = self.net.agenda.timers.lock().take_due(now);
        for key in due {
            if let Some(conn) = self.connections.find_any(key) {
                conn.tick(now);
            }
        }
        self.next_tick = now
            + if self.net.connections() == 0 {
                self.idle_tick
            } else {
                TICK_MS
            };
    }

    fn adopt_accepted(&mut self) {
        let mut adopted = false;
        let mut brought_work = false;
        loop {
            let Some(accepted) = self.net.intake.next() else {
                break;
            };
            adopted = true;
            brought_work |= self.adopt(accepted);
        }
        if adopted {
            self.next_tick = self.next_tick.min(self.net.now() + TICK_MS);
        }
        if adopted || self.is_hot {
            // Where one connection brought a request, others often wait: accepting them here saves the hop over the
            // sentinel. Connections without a request are to be spread fairly over the workers.
            self.is_hot = (brought_work || self.is_hot) && self.accept_directly();
            if !self.is_hot {
                self.picked.wake();
            }
        }
    }

    /// Accepts a few waiting connections, while they bring requests. False: stop accepting directly.
    fn accept_directly(&mut self) -> bool {
        for _ in 0..AT_ONCE {
            if !self.net.app().has_room() {
                return false;
            }
            let Some(accepted) = self.net.intake.take_waiting() else {
                return false;
            };
            if !self.adopt(accepted) {
                return false;
            }
        }
        true
    }

    /// Connections are accepted directly: `turn` must be called again at once.
    pub fn is_hot(&self) -> bool {
        self.is_hot
    }

    /// True: it brought a request at once.
    fn adopt(&mut self, accepted: Accepted) -> bool {
        let Accepted {
            fd,
            peer,
            listener,
            received,
        } = accepted;
        self.add(fd, peer, Some(listener), &received)
    }

    /// Adds a connection that was not accepted: the worker itself holds the other end.
    pub fn add_own(&mut self, fd: OwnedFd) {
        self.add(fd, None, None, &[]);
    }

    fn add(
        &mut self,
        fd: OwnedFd,
        peer: Option<std::net::SocketAddr>,
        listener: Option<usize>,
        received: &[u8],
    ) -> bool {
        // It costs a system call. The wait of a connection with bytes that were read was counted then.
        if self.measures_waits
            && received.is_empty()
            && let Some(waited) = peer.and_then(|_| last_data_received(fd.as_fd()))
        {
            self.net.page.accept_waited(millis(waited));
        }
        let Some(transport) = self.net.transport(fd, peer, listener) else {
            // It may be what the drain has waited for.
            self.net.app().quiet();
            return false;
        };
        let conn = self
            .connections
            .add(|key| Conn::new(&self.net, &self.requests, key, transport, peer, listener));
        if !received.is_empty() {
            conn.begin_with(received);
        }
        // Data that arrives before the registration causes its first edge.
        let begun = conn.look();
        if begun && self.watch_new == WatchNew::Later {
            self.unwatched.push(conn);
        } else {
            conn.watch(&self.epoll);
        }
        begun
    }

    /// Frees the places of closed connections.
    fn sweep(&mut self) {
        for key in self.net.agenda.closed.lock().drain(..) {
            self.connections.remove(key);
        }
    }

    /// The worker drains: the next response of every connection is its last one.
    pub fn drain(&mut self) {
        for conn in self.connections.each() {
            conn.drain();
        }
        self.next_tick = self.net.now();
        self.sweep();
    }

    /// Ends connections that apps have taken over.
    pub fn end_handed_over(&self) {
        for conn in self.connections.each() {
            conn.end_handed_over();
        }
    }

    /// Closes all connections, whatever is in progress.
    pub fn close_all(&mut self) {
        self.net.ledger.flush();
        for conn in self.connections.each() {
            conn.close();
        }
        self.sweep();
    }
}

impl AsRawFd for Reactor {
    fn as_raw_fd(&self) -> RawFd {
        self.epoll.as_raw_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_idle_worker_beats_twice_within_the_timeout() {
        for (timeout, tick) in [(1_000, 500), (1_500, 750), (2_000, 1_000), (30_000, 1_000)] {
            assert_eq!(idle_tick(Some(Duration::from_millis(timeout))), tick);
        }
        assert_eq!(idle_tick(None), IDLE_TICK_MS);
    }
}
