//! The worker's small second thread: accepts, handles the master's messages, and ends the process when no other
//! thread can. It never runs Python, so it responds also while the app blocks the worker.

mod accepting;
mod commands;
mod kept;
mod leaving;
mod master;
mod pickup;
mod shedding;
mod transferring;

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;
use std::time::Duration;

use super::exchange::Requests;
use super::network::{Network, millis};
use super::signals::{self, ExitRequest};
use super::write_coalescer::{self, Until};
use crate::ipc::{FromWorker, Transfers, WorkerChannel};
use crate::sys::epoll::{Epoll, Readiness, Wake, WatchMode};
use crate::sys::{self, Audience, Listener, SignalNotes};
pub use accepting::Accepting;
pub use commands::{AfterDrain, CommandQueue, MasterCommand};
use pickup::Pickup;
use shedding::Shedder;

const CHANNEL: u64 = 1 << 32;
const LIFELINE: u64 = CHANNEL + 1;
const PICKED: u64 = CHANNEL + 2;
const SIGNALS: u64 = CHANNEL + 3;
const TRANSFERS: u64 = CHANNEL + 4;
/// Interval of the checks whether the worker returns to its reactor.
const LOOK_MS: u64 = 750;
/// After this long without held output the checks stop.
const QUIET_MS: u64 = 500;

pub struct Sentinel {
    pub net: Arc<Network>,
    pub requests: Arc<Requests>,
    pub listeners: Vec<Arc<Listener>>,
    /// `None`: connections are not passed on.
    pub transfers: Option<Transfers>,
    pub channel: Arc<WorkerChannel>,
    pub lifeline: OwnedFd,
    pub picked: Arc<Wake>,
    pub commands: Arc<CommandQueue>,
}

impl Sentinel {
    /// Starts the thread, with all signals blocked: they belong to Python's main thread. It ends after `CommandQueue::finish`, and
    /// returns what it was given.
    pub fn spawn(self) -> io::Result<JoinHandle<Self>> {
        let epoll = Epoll::new(32)?;
        epoll.add(self.channel.as_fd(), WatchMode::Readable, CHANNEL)?;
        epoll.add(self.lifeline.as_fd(), WatchMode::Readable, LIFELINE)?;
        epoll.add(self.picked.as_fd(), WatchMode::Readable, PICKED)?;
        let signal_notes = SignalNotes::open()?;
        epoll.add(signal_notes.as_fd(), WatchMode::Readable, SIGNALS)?;
        let (begun, begins) = mpsc::channel::<()>();
        let thread = sys::with_signals_blocked(|| {
            std::thread::Builder::new()
                .name("rgun-sentinel".into())
                .stack_size(256 * 1024)
                .spawn(move || {
                    if let Err(error) = sys::process::continue_without_parent() {
                        tracing::debug!(%error, "a stopped worker would outlive its master");
                    }
                    drop(begun);
                    Watching {
                        own: self,
                        epoll,
                        signal_notes,
                        accepting: Accepting::No,
                        audience: Audience::Everybody,
                        deadline: None,
                        seen_turns: 0,
                        look_at: 0,
                        held_at: 0,
                        left_over_at: 0,
                        completed: 0,
                        pickup: Pickup::default(),
                        kept_at: 0,
                        shedder: Shedder::default(),
                        expects_transfers: false,
                        watches_previews: false,
                    }
                    .run()
                })
        })?;
        // Before any code of the app: from here on a master that is killed ends this worker also while it is stopped.
        // An error is what it waits for: the thread has dropped its end.
        let _ = begins.recv();
        thread
    }
}

struct Watching {
    own: Sentinel,
    epoll: Epoll,
    signal_notes: &'static SignalNotes,
    accepting: Accepting,
    /// Which listeners it accepts at, now or after `Go`.
    audience: Audience,
    /// When the process exits, whatever Python does.
    deadline: Option<u64>,
    /// At the last check whether the worker returns to its reactor.
    seen_turns: u64,
    /// When the next one is due.
    look_at: u64,
    /// When held output was seen last; zero: not checking.
    held_at: u64,
    /// When the next check for left-over connections is due.
    left_over_at: u64,
    /// Requests completed at the last such check.
    completed: u64,
    pickup: Pickup,
    /// When the requests on kept connections are looked at next, while the app is blocked.
    kept_at: u64,
    shedder: Shedder,
    /// Other workers have passed connections on, and not all may have been taken.
    expects_transfers: bool,
    /// What other generations pass on is noticed.
    watches_previews: bool,
}

impl Watching {
    fn run(mut self) -> Sentinel {
        while !self.own.commands.is_finished() {
            let now = sys::monotonic_ms();
            if self.deadline.is_some_and(|deadline| now >= deadline) {
                tracing::error!("shutdown timed out, exiting");
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
                // Also while all is quiet: a worker that gets stuck causes no event.
                Accepting::Armed => Some(self.look_at.max(now)),
                Accepting::Full => Some(self.left_over_at),
                // The reactor reports its next turn.
                Accepting::No | Accepting::Handing | Accepting::Stuck => None,
            };
            let next = next
                .into_iter()
                .chain(self.deadline)
                .chain(self.shed_due().map(|due| due.max(now)))
                .chain(self.pickup.due().map(|due| due.max(now)))
                .chain(self.kept_due().map(|due| due.max(now)))
                .chain(self.held_until(now))
                .min();
            let Ok(count) = self
                .epoll
                .wait(next.map(|at| Duration::from_millis(at.saturating_sub(now))))
            else {
                break;
            };
            if self.own.commands.is_finished() {
                break;
            }
            for n in 0..count {
                if let Some(ready) = self.epoll.event(n) {
                    self.handle_event(ready);
                }
            }
            self.look_at_held_output();
            self.look_at_kept_connections();
            self.look_at_waiting();
            self.look_at_long_waits();
            self.look_at_the_worker();
        }
        self.own
    }

    /// While output is held, it is sent after a moment also if the app computes.
    fn held_until(&self, now: u64) -> Option<u64> {
        self.own
            .net
            .write_coalescer
            .is_watched()
            .then(|| now + millis(write_coalescer::LONGEST))
    }

    fn look_at_held_output(&mut self) {
        if !self.own.net.write_coalescer.is_watched() {
            return;
        }
        let now = sys::monotonic_ms();
        let [step, turn] =
            [Until::StepEnds, Until::TurnEnds].map(|until| self.own.net.write_held(until));
        if step || turn || self.held_at == 0 {
            self.held_at = now;
        } else if now - self.held_at > QUIET_MS {
            self.held_at = 0;
            self.own.net.write_coalescer.unwatch();
        }
    }

    fn handle_event(&mut self, ready: Readiness) {
        match ready.token {
            CHANNEL => self.listen_to_master(),
            LIFELINE => self.master_is_gone(),
            PICKED => {
                self.own.picked.clear();
                match self.accepting {
                    Accepting::Handing | Accepting::Full | Accepting::Stuck => {
                        self.pickup.expected(sys::monotonic_ms());
                        self.arm();
                    }
                    Accepting::Armed => drop(self.leave_if_full()),
                    Accepting::No | Accepting::BackOff(_) => {}
                }
            }
            TRANSFERS => self.notice_transfer(),
            SIGNALS => match signals::asked(self.signal_notes) {
                Some(ExitRequest::Leave) => self.leave(),
                Some(ExitRequest::LeaveAtOnce) => {
                    self.stop_fast();
                    // As in `begin_grace`: unasked, so that another worker takes the slot.
                    drop(self.own.channel.send(&FromWorker::StoppedAccepting));
                }
                None => {}
            },
            listener => self.accept(usize::try_from(listener).unwrap_or(usize::MAX)),
        }
    }
}
