//! The worker's small second thread: accepts, listens to the master, and ends the process when nobody else can.
//! It never runs Python, so it answers also while the app has the worker by the throat.

use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::time::Duration;

use parking_lot::Mutex;

use super::held;
use super::network::{Accepted, Network, Stage, millis};
use super::python;
use super::signals::{self, Asked};
use crate::config::{LogLevel, PortSharing, Prints};
use crate::ipc::{DrainReason, FromWorker, Incoming, State, ToWorker, WorkerChannel};
use crate::observability;
use crate::sys::epoll::{Epoll, Ready, Wake, Watch};
use crate::sys::{self, Listener, Noted, stream, wait_readable};

const CHANNEL: u64 = 1 << 32;
const LIFELINE: u64 = CHANNEL + 1;
const PICKED: u64 = CHANNEL + 2;
const SIGNALS: u64 = CHANNEL + 3;
/// Out of descriptors: how long the listeners are left alone.
const BACK_OFF_MS: u64 = 100;
/// How often the thread looks whether the worker comes back to its reactor.
const LOOK_MS: u64 = 750;
/// No output was held for so long: nobody needs to look.
const QUIET_MS: u64 = 500;
/// How often a worker that is full, and gets on with its requests, looks for connections that nobody else has taken.
const LEFT_OVER_MS: u64 = 10;
/// So many of them it takes at once.
const LEFT_OVER: usize = 16;
/// After the graceful timeout Python has this long to come to its end.
const LAST_WORDS_MS: u64 = 3_000;

/// What the master (or its death) asks of the thread that runs Python.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Command {
    /// Finish what is in flight; `until` in monotonic milliseconds.
    Drain { until: u64 },
    /// Cancel what is running.
    Fast,
    /// Tell the master where Python is; `number` goes with the answer.
    Stacks { number: u64 },
}

/// Commands on their way to the main thread.
#[derive(Default)]
pub struct Orders {
    queue: Mutex<VecDeque<Command>>,
    any: AtomicBool,
    /// Somebody had to be told to stop fast.
    fast: AtomicBool,
    /// The app is up: a command goes to the main thread. Before, it ends the process.
    listening: AtomicBool,
}

impl Orders {
    pub fn take(&self) -> Option<Command> {
        if !self.any.load(SeqCst) {
            return None;
        }
        let mut queue = self.queue.lock();
        let command = queue.pop_front();
        self.any.store(!queue.is_empty(), SeqCst);
        command
    }

    pub fn had_to_be_fast(&self) -> bool {
        self.fast.load(SeqCst)
    }

    pub fn give(&self, command: Command) {
        if matches!(command, Command::Fast) {
            self.fast.store(true, SeqCst);
        }
        self.queue.lock().push_back(command);
        self.any.store(true, SeqCst);
    }

    pub fn listen(&self) {
        self.listening.store(true, SeqCst);
        if let Err(error) = signals::end_in_order() {
            tracing::warn!(%error, "signals keep their default action");
        }
    }
}

pub struct Sentinel {
    pub net: Arc<Network>,
    pub listeners: Vec<Arc<Listener>>,
    pub channel: Arc<WorkerChannel>,
    pub lifeline: OwnedFd,
    pub picked: Arc<Wake>,
    pub orders: Arc<Orders>,
}

/// The listeners' state as this thread sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Accepting {
    /// Not yet, or not any more.
    No,
    /// The next connection is ours if we are first.
    Armed,
    /// One was taken and not picked up: the worker is busy, another one will take the next.
    Handing,
    /// The app has had the worker for so long that it may be stuck: others are to take what comes.
    Stuck,
    /// The app could not serve it now: `picked` will tell when it can.
    Full,
    /// Out of descriptors until that moment.
    BackOff(u64),
}

impl Sentinel {
    /// Starts the thread, with all signals blocked: they belong to Python's main thread.
    pub fn spawn(self) -> io::Result<()> {
        let epoll = Epoll::new(32)?;
        epoll.add(self.channel.as_fd(), Watch::Readable, CHANNEL)?;
        epoll.add(self.lifeline.as_fd(), Watch::Readable, LIFELINE)?;
        epoll.add(self.picked.as_fd(), Watch::Readable, PICKED)?;
        let noted = Noted::open()?;
        epoll.add(noted.as_fd(), Watch::Readable, SIGNALS)?;
        sys::with_signals_blocked(|| {
            std::thread::Builder::new()
                .name("rgun-sentinel".into())
                .stack_size(128 * 1024)
                .spawn(move || {
                    Watching {
                        own: self,
                        epoll,
                        noted,
                        accepting: Accepting::No,
                        deadline: None,
                        seen_turns: 0,
                        held_at: 0,
                        left_over_at: 0,
                        completed: 0,
                    }
                    .run()
                })
        })??;
        Ok(())
    }
}

struct Watching {
    own: Sentinel,
    epoll: Epoll,
    noted: &'static Noted,
    accepting: Accepting,
    /// The process ends here, whatever Python does.
    deadline: Option<u64>,
    seen_turns: u64,
    /// When held output was seen last; zero: not looking.
    held_at: u64,
    /// When the next look for left-over connections is due.
    left_over_at: u64,
    /// Requests completed at the last such look.
    completed: u64,
}

impl Watching {
    fn run(mut self) {
        loop {
            let now = sys::monotonic_ms();
            if self.deadline.is_some_and(|deadline| now >= deadline) {
                tracing::error!("worker does not come to its end, leaving");
                sys::exit_now(1);
            }
            if let Accepting::BackOff(until) = self.accepting
                && now >= until
            {
                self.arm();
            }
            if self.accepting == Accepting::Full && now >= self.left_over_at {
                self.take_left_over(now);
            }
            let next = match self.accepting {
                Accepting::BackOff(until) => Some(until),
                // Also while all is quiet: who is stuck does not say so.
                Accepting::Armed | Accepting::Stuck => Some(now + LOOK_MS),
                Accepting::Full => Some(self.left_over_at),
                Accepting::No | Accepting::Handing => None,
            };
            let next = next
                .into_iter()
                .chain(self.deadline)
                .chain(self.held_until(now))
                .min();
            let Ok(count) = self
                .epoll
                .wait(next.map(|at| Duration::from_millis(at.saturating_sub(now))))
            else {
                return;
            };
            for n in 0..count {
                if let Some(ready) = self.epoll.event(n) {
                    self.news(ready);
                }
            }
            self.look_at_held_output();
            if count == 0 {
                self.look_at_the_worker();
            }
        }
    }

    /// While output is held, it leaves after a moment also when the app computes.
    fn held_until(&self, now: u64) -> Option<u64> {
        self.own
            .net
            .held
            .is_watched()
            .then(|| now + millis(held::LONGEST))
    }

    fn look_at_held_output(&mut self) {
        if !self.own.net.held.is_watched() {
            return;
        }
        let now = sys::monotonic_ms();
        if self.own.net.write_held() || self.held_at == 0 {
            self.held_at = now;
        } else if now - self.held_at > QUIET_MS {
            self.held_at = 0;
            self.own.net.held.unwatch();
        }
    }

    fn news(&mut self, ready: Ready) {
        match ready.token {
            CHANNEL => self.listen_to_master(),
            LIFELINE => self.master_is_gone(),
            PICKED => {
                self.own.picked.clear();
                match self.accepting {
                    Accepting::Handing | Accepting::Full => self.arm(),
                    Accepting::Armed => drop(self.leave_if_full()),
                    Accepting::No | Accepting::Stuck | Accepting::BackOff(_) => {}
                }
            }
            SIGNALS => match signals::asked(self.noted) {
                Some(Asked::Leave) => self.leave(),
                Some(Asked::LeaveAtOnce) => {
                    self.stop_fast();
                    // As in `begin_grace`: unasked, so that another one takes the place.
                    drop(self.own.channel.send(&FromWorker::StoppedAccepting));
                }
                None => {}
            },
            listener => self.accept(usize::try_from(listener).unwrap_or(usize::MAX)),
        }
    }

    fn listen_to_master(&mut self) {
        loop {
            match self.own.channel.try_receive() {
                Ok(Incoming::Message(ToWorker::Go)) if self.deadline.is_none() => {
                    self.own.net.page.set_state(State::Accepting);
                    self.listen();
                    self.own.net.doors.lock().clone_from(&self.own.listeners);
                    self.arm();
                }
                // A signal was faster.
                Ok(Incoming::Message(ToWorker::Go)) => {}
                Ok(Incoming::Message(ToWorker::Drain {
                    reason,
                    graceful_ms,
                })) => self.drain(reason, graceful_ms),
                Ok(Incoming::Message(ToWorker::StopFast)) => self.stop_fast(),
                Ok(Incoming::Message(ToWorker::ReopenLogs)) => self.reopen_logs(),
                Ok(Incoming::Message(ToWorker::Stacks { number })) => self.ask_stacks(number),
                Ok(Incoming::Message(ToWorker::CloseAfterAnswers)) => {
                    self.own.net.close_after_answers();
                }
                Ok(Incoming::Message(ToWorker::LogLevel(level))) => {
                    LogLevel::of(level)
                        .into_iter()
                        .for_each(observability::set_level);
                }
                Ok(Incoming::Nothing) => return,
                Ok(Incoming::Closed) => {
                    drop(self.epoll.remove(self.own.channel.as_fd()));
                    return self.master_is_gone();
                }
                Err(error) => {
                    tracing::error!(%error, "message of the master not understood");
                    return;
                }
            }
        }
    }

    /// Sockets of the slot's own are left to its first worker.
    fn listen(&self) {
        if self.own.net.settings.port_sharing == PortSharing::None {
            return;
        }
        for listener in &self.own.listeners {
            if let Err(error) = listener.listen(self.own.net.settings.backlog) {
                tracing::error!(%error, "nobody comes here");
            }
        }
    }

    /// Puts the listeners (back) into the epoll: at the end of the kernel's line of waiters, which makes it fair.
    fn arm(&mut self) {
        if self.own.net.app().awaits_room() {
            self.fill();
            return;
        }
        self.accepting = Accepting::Armed;
        for (n, listener) in self.own.listeners.iter().enumerate() {
            if let Err(error) =
                self.epoll
                    .add(listener.fd.as_fd(), Watch::ReadableExclusive, n as u64)
            {
                tracing::error!(%error, address = %listener.address, "listener cannot be watched");
            }
        }
    }

    /// One that has not come back to its reactor since the last look gets no connection that another worker could take.
    fn look_at_the_worker(&mut self) {
        let turns = self.own.net.turns();
        let asleep = turns % 2 == 1;
        let stuck = !asleep && turns == self.seen_turns;
        self.seen_turns = turns;
        match self.accepting {
            Accepting::Armed if stuck => self.disarm(Accepting::Stuck),
            Accepting::Stuck if !stuck => self.arm(),
            // A worker that was woken for a connection and could not take it (it was full, or killed just then) cannot pass
            // the wake on: now and then the others look for themselves.
            Accepting::Armed => {
                self.disarm(Accepting::No);
                self.arm();
            }
            Accepting::Stuck
            | Accepting::No
            | Accepting::Handing
            | Accepting::Full
            | Accepting::BackOff(_) => {}
        }
    }

    /// What this worker could not serve at once is for another one.
    fn leave_if_full(&mut self) -> bool {
        let full = self.accepting == Accepting::Armed && self.own.net.app().awaits_room();
        if full {
            self.disarm(Accepting::Full);
            self.fill();
        }
        full
    }

    fn fill(&mut self) {
        self.accepting = Accepting::Full;
        self.left_over_at = sys::monotonic_ms() + LEFT_OVER_MS;
    }

    /// Connections that have waited while every worker is busy. Without this, clients that keep theirs and always have a
    /// next request would keep all others out.
    fn take_left_over(&mut self, now: u64) {
        self.left_over_at = now + LEFT_OVER_MS;
        let completed = self.own.net.app().completed();
        if std::mem::replace(&mut self.completed, completed) == completed {
            // Stuck, or in a long request: it would not help them.
            return;
        }
        for (n, listener) in self.own.listeners.iter().enumerate() {
            for _ in 0..LEFT_OVER {
                let Ok((fd, peer)) = stream::accept(listener.fd.as_fd()) else {
                    break;
                };
                self.hand_over(fd, peer, n);
            }
        }
    }

    fn disarm(&mut self, accepting: Accepting) {
        if self.accepting == Accepting::Armed {
            for listener in &self.own.listeners {
                drop(self.epoll.remove(listener.fd.as_fd()));
            }
        }
        self.accepting = accepting;
    }

    fn accept(&mut self, index: usize) {
        if self.accepting != Accepting::Armed || self.leave_if_full() {
            return;
        }
        let Some(listener) = self.own.listeners.get(index) else {
            return;
        };
        match stream::accept(listener.fd.as_fd()) {
            Ok((fd, peer)) => {
                self.disarm(Accepting::Handing);
                self.hand_over(fd, peer, index);
            }
            Err(e)
                if matches!(
                    e.raw_os_error(),
                    Some(sys::stream::EMFILE | sys::stream::ENFILE)
                ) =>
            {
                if self
                    .own
                    .net
                    .complaints
                    .admits("out of descriptors", sys::monotonic_ms())
                {
                    tracing::warn!(error = %e, "out of descriptors, accepting pauses");
                }
                self.own.net.wants_descriptors.store(true, SeqCst);
                self.own.net.wake.wake();
                self.disarm(Accepting::BackOff(sys::monotonic_ms() + BACK_OFF_MS));
            }
            // Another worker was faster, or the client left before it was taken.
            Err(_) => {}
        }
    }

    fn hand_over(&self, fd: OwnedFd, peer: Option<std::net::SocketAddr>, listener: usize) {
        self.own
            .net
            .accepted
            .lock()
            .push_back(Accepted { fd, peer, listener });
        self.own.net.wake.wake();
    }

    fn drain(&mut self, reason: DrainReason, graceful_ms: u64) {
        if !self.own.orders.listening.load(SeqCst) {
            sys::exit_now(0);
        }
        self.own.net.begin_drain(match reason {
            DrainReason::Removed => DrainReason::Replaced,
            reason => reason,
        });
        let armed = self.accepting == Accepting::Armed;
        self.disarm(Accepting::No);
        match reason {
            DrainReason::Shutdown | DrainReason::Removed => self.empty_accept_queues(usize::MAX),
            // The kernel may have woken this worker alone for a connection: nobody else would come for it.
            DrainReason::Replaced if armed => self.empty_accept_queues(1),
            DrainReason::Replaced => {}
        }
        self.stop_accepting();
        self.begin_grace(graceful_ms);
    }

    /// Somebody else than the master says so (or the kernel, since the master is gone). The listeners stay open as long as the
    /// master lives: it may be about to say that all are to go, and then what is in their queues is to be served.
    fn leave(&mut self) {
        let gone = wait_readable(&[self.own.lifeline.as_fd()], Some(Duration::ZERO));
        if gone.is_ok_and(|gone| gone.contains(&true)) {
            return self.master_is_gone();
        }
        if self.deadline.is_some() {
            return;
        }
        tracing::info!("SIGTERM received, draining");
        self.own.net.begin_drain(DrainReason::Replaced);
        self.disarm(Accepting::No);
        self.own.net.doors.lock().clear();
        self.begin_grace(millis(self.own.net.settings.graceful_timeout));
    }

    /// Nothing is accepted any more: the master learns it, and the main thread what it has to do.
    fn begin_grace(&mut self, graceful_ms: u64) {
        // The master may be gone by now, and then nobody waits for this.
        drop(self.own.channel.send(&FromWorker::StoppedAccepting));
        let until = sys::monotonic_ms() + graceful_ms;
        self.end_by(until + LAST_WORDS_MS);
        self.own.orders.give(Command::Drain { until });
        self.own.net.wake.wake();
    }

    /// Here and not in the main thread: a worker that is stuck must not keep writing to a file that was rotated away.
    fn reopen_logs(&self) {
        if let Err(error) = observability::reopen() {
            tracing::error!(%error, "log files not reopened");
        }
        if let Some(access) = &self.own.net.access {
            access.lock().follow_rotation();
        }
        if self.own.net.settings.logging.prints == Prints::ToErrorLog
            && let Err(error) = observability::capture_prints()
        {
            tracing::error!(%error, "what the app prints still goes to the old file");
        }
        if self.own.net.stage() == Stage::Serving {
            python::reopen_python_files();
        }
    }

    fn end_by(&mut self, deadline: u64) {
        self.deadline = Some(self.deadline.map_or(deadline, |d| d.min(deadline)));
    }

    /// Before the app is up nobody turns the reactor; the master then asks by a signal.
    fn ask_stacks(&self, number: u64) {
        if self.own.orders.listening.load(SeqCst) {
            self.own.orders.give(Command::Stacks { number });
            self.own.net.wake.wake();
        }
    }

    fn stop_fast(&mut self) {
        if !self.own.orders.listening.load(SeqCst) {
            sys::exit_now(0);
        }
        self.own.net.begin_drain(DrainReason::Shutdown);
        self.stop_accepting();
        self.end_by(sys::monotonic_ms() + 2_000 + LAST_WORDS_MS);
        self.own.orders.give(Command::Fast);
        self.own.net.wake.wake();
    }

    /// A restarted master must be able to bind: the listeners go first, emptied by whoever of the workers is first, then the
    /// work in flight.
    fn master_is_gone(&mut self) {
        drop(self.epoll.remove(self.own.lifeline.as_fd()));
        if self.deadline.is_some() && self.own.listeners.is_empty() {
            return;
        }
        tracing::error!("the master is gone, leaving");
        if self.accepting == Accepting::Stuck {
            // Others can serve what is in the queues.
            self.stop_accepting();
        }
        self.drain(
            DrainReason::Shutdown,
            millis(self.own.net.settings.graceful_timeout),
        );
    }

    fn stop_accepting(&mut self) {
        self.own.net.page.set_state(State::Draining);
        self.disarm(Accepting::No);
        self.own.net.doors.lock().clear();
        self.own.listeners.clear();
    }

    /// What the kernel has accepted for us is served, not reset: so many connections of each listener.
    fn empty_accept_queues(&mut self, most: usize) {
        for (n, listener) in self.own.listeners.iter().enumerate() {
            for _ in 0..most {
                let Ok((fd, peer)) = stream::accept(listener.fd.as_fd()) else {
                    break;
                };
                self.hand_over(fd, peer, n);
            }
        }
    }
}
