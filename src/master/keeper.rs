//! Keeps the monitor running: starts it, hears of its end, starts it again, paced. Nothing else depends on it.

use std::sync::Arc;
use std::time::Duration;

use super::binds::Binds;
use super::names;
use super::recruit::Recruit;
use super::shell::{End, Flow, Shell};
use crate::ipc::{CAUSES, Facts, Queue};
use crate::monitor::Post;
use crate::observability;
use crate::sys::process::{Exit, Fork, fork, kill};
use crate::sys::signals::Signal;
use crate::sys::{Pid, clock, exit_now};

const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// One that ran for that long was well.
const HEALTHY: Duration = Duration::from_secs(60);
/// SIGKILL takes microseconds, but on a machine that gives it no CPU, or in a system call that cannot be broken off.
const LAST: Duration = Duration::from_secs(1);
/// One that is killed sooner may be killed again at once.
const BRIEF: Duration = Duration::from_secs(1);
/// How old the depth of the accept queues may be.
const QUEUES_EVERY_MS: u64 = 1_000;

/// Without an address to answer at there is no monitor.
#[derive(Debug, Default)]
pub struct Keeper {
    /// Where it is to answer. The master's copies, kept over its deaths.
    pub binds: Binds,
    running: Option<Running>,
    failures: u32,
    /// Monotonic.
    not_before: Duration,
    queues: [Queue; Facts::QUEUES],
    queues_at_ms: u64,
    started: bool,
    dismissed: Option<Dismissed>,
}

/// There is to be no other one.
#[derive(Debug, Clone, Copy)]
struct Dismissed {
    /// Monotonic. From then on its end is not waited for.
    until: Duration,
}

#[derive(Debug)]
struct Running {
    pid: Pid,
    since: Duration,
    /// Its end is ours.
    renewed: bool,
}

impl Keeper {
    fn is_wanted(&self) -> bool {
        !self.binds.listeners.is_empty() && self.running.is_none() && self.dismissed.is_none()
    }

    /// When the next one is to be started, monotonic.
    pub fn due(&self) -> Option<Duration> {
        self.is_wanted().then_some(self.not_before)
    }

    /// `true`: it was the monitor that ended.
    pub fn ended(&mut self, pid: Pid, exit: Exit) -> bool {
        let Some(running) = self.running.take_if(|running| running.pid == pid) else {
            return false;
        };
        let now = clock::monotonic();
        if running.renewed {
            self.not_before = now;
            return true;
        }
        let uptime = now.saturating_sub(running.since);
        let from_outside = matches!(
            exit,
            Exit::Signal {
                signal: Signal::KILL | Signal::TERM,
                ..
            }
        );
        // As with workers: what somebody else did to it is not held against its successor.
        if uptime >= HEALTHY || from_outside && uptime >= BRIEF {
            self.failures = 0;
        }
        self.put_off(now);
        let delay_ms = u64::try_from(self.not_before.saturating_sub(now).as_millis()).unwrap_or(0);
        tracing::error!(pid = pid.as_raw(), ?exit, delay_ms, "monitor died");
        true
    }

    fn put_off(&mut self, now: Duration) {
        let pause = match self.failures {
            0 => Duration::ZERO,
            n => Duration::from_secs(1 << (n - 1).min(5)).min(LONGEST_PAUSE),
        };
        self.failures = self.failures.saturating_add(1);
        self.not_before = now + pause;
    }

    /// Ends it so that another one is started at once: one that has the log that is open now.
    pub fn renew(&mut self) {
        if let Some(running) = &mut self.running {
            running.renewed = true;
            drop(kill(running.pid, Signal::KILL));
        }
    }

    /// The server has ended, and its workers with it. A successor is to bind where the monitor has listened, at once: so it has to be
    /// gone, and not just killed. Its end is an event like any other.
    pub fn dismiss(&mut self) {
        if let Some(running) = &mut self.running {
            // It would end by itself, once it sees that the master is gone; a service manager should not have to wait.
            running.renewed = true;
            drop(kill(running.pid, Signal::KILL));
        }
        self.binds.close();
        let until = clock::monotonic() + LAST;
        self.dismissed.get_or_insert(Dismissed { until });
    }

    /// How long the end of a dismissed monitor is worth waiting for, monotonic; `None`: there is nothing to wait for.
    pub fn awaited(&self) -> Option<Duration> {
        let until = self.dismissed?.until;
        (self.running.is_some() && clock::monotonic() < until).then_some(until)
    }
}

impl Shell<'_> {
    /// Once a turn, before sleeping.
    pub(super) fn keep_monitor(&mut self) -> Flow {
        let now = clock::monotonic();
        if self.keeper.due().is_none_or(|due| due > now) {
            return Flow::Go;
        }
        self.host.before_fork();
        let master = Pid::this();
        match fork() {
            Ok(Fork::Child) => {
                observability::after_fork();
                Flow::End(End::Monitor(self.recruit(master).map(Box::new)))
            }
            Ok(Fork::Parent { child: pid }) => {
                self.host.after_fork_parent();
                tracing::debug!(pid = pid.as_raw(), "monitor started");
                self.keeper.running = Some(Running {
                    pid,
                    since: now,
                    renewed: false,
                });
                Flow::Go
            }
            Err(error) => {
                self.host.after_fork_parent();
                self.keeper.put_off(now);
                tracing::error!(%error, "monitor not started");
                Flow::Go
            }
        }
    }

    /// In the child: what the monitor keeps of what is about to be dropped.
    fn recruit(&mut self, master: Pid) -> Option<Recruit<Post>> {
        let addresses: Arc<[String]> = self.addresses.clone();
        Some(Recruit {
            post: Post {
                listeners: std::mem::take(&mut self.keeper.binds.listeners),
                lifeline: self.lifeline.read.take()?,
                board: self.scoreboard.board(),
                addresses,
            },
            identity: self.identity.clone(),
            master,
            title: names::monitor(&self.first),
        })
    }

    /// Once a turn: what probes and metrics want to know of the master.
    pub(super) fn publish(&mut self) {
        if self.keeper.binds.listeners.is_empty() {
            return;
        }
        let now = clock::monotonic_ms();
        let keeper = &mut self.keeper;
        if now.saturating_sub(keeper.queues_at_ms) >= QUEUES_EVERY_MS {
            keeper.queues_at_ms = now;
            keeper.queues = [Queue::default(); Facts::QUEUES];
            for (number, queue) in keeper.queues.iter_mut().enumerate() {
                if let Some((waiting, most)) = self.binds.queue(number) {
                    *queue = Queue { waiting, most };
                }
            }
        }
        keeper.started |= self.supervisor.is_up();
        let mut restarts = [0; CAUSES.len()];
        for (count, cause) in restarts.iter_mut().zip(super::tally::Cause::ALL) {
            *count = self.tally.by_cause(cause);
        }
        self.scoreboard.publish(&Facts {
            beat_ms: now,
            pid: std::process::id().into(),
            target: self.supervisor.target().into(),
            generation: self.supervisor.generation().0.into(),
            started: keeper.started,
            reloads: self.tally.reloads,
            reloads_failed: self.tally.reloads_failed,
            restarts,
            queues: keeper.queues,
        });
    }
}

/// The child's whole life.
pub fn serve(recruit: Option<Recruit<Post>>) -> ! {
    match recruit {
        Some(recruit) => recruit.serve("rgun: monitor", crate::monitor::run),
        None => exit_now(1),
    }
}
