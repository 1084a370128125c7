//! The thread: its start, and its loop.

use std::io;
use std::os::fd::AsFd;
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::Duration;

use super::watching::{Accepting, Sentinel, TRANSFERS, Watching};
use super::{accepting, kept, leaving, listeners, master, passing_on, shedding, transferring};
use crate::ipc::FromWorker;
use crate::sys::epoll::{Epoll, Readiness, WatchMode};
use crate::sys::{self, SignalNotes};
use crate::worker::network::millis;
use crate::worker::signals::{self, ExitRequest};
use crate::worker::write_coalescer::{self, Until};

const CHANNEL: u64 = TRANSFERS + 1;
const LIFELINE: u64 = TRANSFERS + 2;
const PICKED: u64 = TRANSFERS + 3;
const SIGNALS: u64 = TRANSFERS + 4;
/// After this long without held output the checks stop.
const QUIET_MS: u64 = 500;

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
                    run(Watching::new(self, epoll, signal_notes))
                })
        })?;
        // Before any code of the app: from here on a master that is killed ends this worker also while it is stopped.
        // An error is what it waits for: the thread has dropped its end.
        let _ = begins.recv();
        thread
    }
}

fn run(mut watching: Watching) -> Sentinel {
    while !watching.own.commands.is_finished() {
        let now = sys::monotonic_ms();
        if watching.deadline.is_some_and(|deadline| now >= deadline) {
            tracing::error!("shutdown timed out, exiting");
            sys::exit_now(1);
        }
        if let Accepting::BackOff(until) = watching.accepting
            && now >= until
        {
            accepting::arm(&mut watching);
        }
        if watching.accepting == Accepting::Full && now >= watching.left_over_at {
            accepting::take_left_over(&mut watching, now);
        }
        let next = match watching.accepting {
            Accepting::BackOff(until) => Some(until),
            // Also while all is quiet: a worker that gets stuck causes no event.
            Accepting::Armed => Some(watching.look_at.max(now)),
            Accepting::Full => Some(watching.left_over_at),
            // The reactor reports its next turn.
            Accepting::No | Accepting::Handing | Accepting::Stuck => None,
        };
        let next = next
            .into_iter()
            .chain(watching.deadline)
            .chain(shedding::due(&watching).map(|due| due.max(now)))
            .chain(watching.pickup.due().map(|due| due.max(now)))
            .chain(kept::due(&watching).map(|due| due.max(now)))
            .chain(held_until(&watching, now))
            .min();
        let Ok(count) = watching
            .epoll
            .wait(next.map(|at| Duration::from_millis(at.saturating_sub(now))))
        else {
            break;
        };
        if watching.own.commands.is_finished() {
            break;
        }
        for n in 0..count {
            if let Some(ready) = watching.epoll.event(n) {
                handle_event(&mut watching, ready);
            }
        }
        look_at_held_output(&mut watching);
        kept::look(&mut watching);
        passing_on::look_at_waiting(&mut watching);
        shedding::look(&mut watching);
        accepting::look_at_the_worker(&mut watching);
    }
    watching.own
}

/// While output is held, it is sent after a moment also if the app computes.
fn held_until(watching: &Watching, now: u64) -> Option<u64> {
    watching
        .own
        .net
        .write_coalescer
        .is_watched()
        .then(|| now + millis(write_coalescer::LONGEST))
}

fn look_at_held_output(watching: &mut Watching) {
    if !watching.own.net.write_coalescer.is_watched() {
        return;
    }
    let now = sys::monotonic_ms();
    let [step, turn] =
        [Until::StepEnds, Until::TurnEnds].map(|until| watching.own.net.write_held(until));
    if step || turn || watching.held_at == 0 {
        watching.held_at = now;
    } else if now - watching.held_at > QUIET_MS {
        watching.held_at = 0;
        watching.own.net.write_coalescer.unwatch();
    }
}

fn handle_event(watching: &mut Watching, ready: Readiness) {
    match ready.token {
        CHANNEL => master::listen(watching),
        LIFELINE => leaving::master_is_gone(watching),
        PICKED => {
            watching.own.picked.clear();
            match watching.accepting {
                Accepting::Handing | Accepting::Full | Accepting::Stuck => {
                    watching.pickup.expected(sys::monotonic_ms());
                    accepting::arm(watching);
                }
                Accepting::Armed => drop(listeners::leave_if_full(watching)),
                Accepting::No | Accepting::BackOff(_) => {}
            }
        }
        TRANSFERS => transferring::notice(watching),
        SIGNALS => match signals::asked(watching.signal_notes) {
            Some(ExitRequest::Leave) => leaving::leave(watching),
            Some(ExitRequest::LeaveAtOnce) => {
                leaving::stop_fast(watching);
                // As in `begin_grace`: unasked, so that another worker takes the slot.
                drop(watching.own.channel.send(&FromWorker::StoppedAccepting));
            }
            None => {}
        },
        listener => accepting::accept(watching, usize::try_from(listener).unwrap_or(usize::MAX)),
    }
}
