//! The application threads and the reactor between them. An idle thread turns the reactor and runs the requests it
//! finds, so that a request costs no hop between threads; while all are busy the standby thread turns it.

use std::collections::VecDeque;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use parking_lot::{Condvar, Mutex, MutexGuard};

use super::reactor_owner::ReactorOwner;
use super::scheduler::{Driver, Job, Scheduler, Standby};
use super::wait_queue::WaitQueue;
use crate::config::PortSharing;
use crate::sys::epoll::Wake;
use crate::sys::{clock, wait_readable};
use crate::worker::WorkerContext;
use crate::worker::drain::DrainStage;
use crate::worker::network::Pulse;
use crate::worker::spool::Spool;

/// A busy thread turns the reactor itself this often, in microseconds.
const LOOK_IN: u64 = 1_000;
/// When a request has waited this long, in microseconds, a thread is woken for it.
const WAITED: u64 = 500;

/// Where requests wait this long for something else than the CPU (a database, another service), in microseconds,
/// other requests can run in that time: a thread that starts one then wakes the next thread for the reactor. Below
/// this, waking costs more than it gains.
const WORTH_A_WAKE: u64 = 50;
/// Progress of a thread without a request.
const NO_REQUEST: u64 = 0;
/// A thread that waits for a client is not stuck: the client's own timeouts apply.
pub const WAITS: u64 = u64::MAX;
/// Longest sleep of the main thread: a signal may arrive between its check for signals and its sleep.
const NAP: Duration = Duration::from_secs(1);

/// The next step of a thread.
pub enum ThreadStep {
    Job(Box<Job>),
    /// Nothing yet, but signals may have arrived (for the main thread), or the time that was asked for is over.
    Look,
    /// Report the Python stacks, under that number.
    Tell(u64),
    Stop,
}

pub struct ThreadPool {
    pub context: Arc<WorkerContext>,
    pub scheduler: Mutex<Scheduler>,
    pub wait_queue: WaitQueue,
    /// Wakes the standby thread.
    pub alarm: Condvar,
    pub reactor_owner: Mutex<ReactorOwner>,
    pub spool: Arc<Spool>,
    /// What each thread sleeps on. An eventfd and not a futex: a signal must be able to wake the main thread.
    beds: Vec<Wake>,
    /// When each thread last made progress with its request, in monotonic milliseconds; or `NO_REQUEST`, `WAITS`.
    progress: Vec<AtomicU64>,
    /// Each thread's `threading.get_ident()`.
    idents: Vec<AtomicU64>,
    /// No other worker could accept a connection.
    pub is_alone: bool,
}

impl ThreadPool {
    pub fn new(context: &Arc<WorkerContext>, threads: usize) -> std::io::Result<Arc<Self>> {
        let settings = &context.net.settings;
        let directory = settings.temporary_directory.as_deref();
        let spool = Spool::new(directory, settings.spool_limit, context.net.page);
        Ok(Arc::new(Self {
            reactor_owner: Mutex::new(ReactorOwner::new(context, &spool)?),
            spool,
            context: context.clone(),
            scheduler: Mutex::new(Scheduler::new()),
            wait_queue: WaitQueue::default(),
            alarm: Condvar::new(),
            beds: (0..threads)
                .map(|_| Wake::new())
                .collect::<Result<_, _>>()?,
            progress: (0..threads).map(|_| AtomicU64::new(0)).collect(),
            idents: (0..threads).map(|_| AtomicU64::new(0)).collect(),
            is_alone: settings.most_workers() <= 1 || settings.port_sharing == PortSharing::BySlot,
        }))
    }

    pub fn set_ident(&self, me: usize, ident: u64) {
        if let Some(place) = self.idents.get(me) {
            place.store(ident, Relaxed);
        }
    }

    pub fn ident(&self, thread: usize) -> u64 {
        self.idents
            .get(thread)
            .map_or(0, |ident| ident.load(Relaxed))
    }

    pub fn threads(&self) -> usize {
        self.beds.len()
    }

    /// The next request if one is queued, without sleeping or reading: callable with the GIL held.
    pub fn next_queued(&self, me: usize) -> Option<Box<Job>> {
        let mut scheduler = self.scheduler.lock();
        if scheduler.queue.is_empty() || scheduler.over || self.is_time_for_a_turn(&scheduler) {
            return None;
        }
        self.take(&mut scheduler, me)
    }

    /// The next request; sleeps if there is none, at most for `timeout`. Turns the reactor when no other thread does.
    pub fn next(&self, me: usize, timeout: Option<Duration>) -> ThreadStep {
        let mut scheduler = self.scheduler.lock();
        if self.is_time_for_a_turn(&scheduler) {
            scheduler = self.turn(scheduler, Some(Duration::ZERO));
        }
        loop {
            if scheduler.over {
                return ThreadStep::Stop;
            }
            if let Some(number) = scheduler.stacks_asked.take() {
                return ThreadStep::Tell(number);
            }
            if let Some(job) = self.take(&mut scheduler, me) {
                return ThreadStep::Job(job);
            }
            if self.is_quiet(&scheduler) {
                if scheduler.driver == Driver::Unassigned && self.end_if_quiet(&mut scheduler) {
                    return ThreadStep::Stop;
                }
                // What the driver's turn has taken from the intake is not counted before it has ended.
                self.context.net.wake.wake();
            }
            if scheduler.driver == Driver::Unassigned {
                scheduler = self.turn(scheduler, timeout);
            } else {
                scheduler = self.sleep(scheduler, me, timeout);
            }
            // The main thread returns to run Python's signal handlers.
            if (me == 0 || timeout.is_some()) && scheduler.queue.is_empty() && !scheduler.over {
                return ThreadStep::Look;
            }
        }
    }

    fn take(&self, scheduler: &mut Scheduler, me: usize) -> Option<Box<Job>> {
        let job = scheduler.queue.pop_front()?;
        scheduler.busy.push(me);
        self.context.net.busy.threads(scheduler.busy.len());
        self.set_progress(me, self.context.net.now().max(1));
        if scheduler.driver == Driver::Unassigned {
            scheduler.epoch += 1;
            if scheduler.standby == Standby::Dozing {
                scheduler.standby = Standby::Watching;
                self.alarm.notify_one();
            }
        }
        if scheduler.driver == Driver::Unassigned && scheduler.waits > WORTH_A_WAKE {
            self.wake_one(scheduler);
        }
        let waited = |job: &Job| clock::monotonic_us().saturating_sub(job.since) > WAITED;
        if !scheduler.idle.is_empty() && scheduler.queue.front().is_some_and(waited) {
            self.wake_one(scheduler);
        }
        Some(Box::new(job))
    }

    /// The thread has finished its request. `waited`: how long that request waited for other things than the CPU, if
    /// it was measured.
    pub fn done(&self, me: usize, waited: Option<u64>) {
        self.set_progress(me, NO_REQUEST);
        let mut scheduler = self.scheduler.lock();
        scheduler.busy.retain(|&other| other != me);
        self.context.net.busy.threads(scheduler.busy.len());
        scheduler.completed += 1;
        if let Some(waited) = waited {
            scheduler.waits = (scheduler.waits * 7 + waited) / 8;
        }
    }

    fn is_time_for_a_turn(&self, scheduler: &Scheduler) -> bool {
        scheduler.driver == Driver::Unassigned
            && !scheduler.queue.is_empty()
            && clock::monotonic_us().saturating_sub(scheduler.turned) > LOOK_IN
    }

    fn turn<'c>(
        &'c self,
        mut scheduler: MutexGuard<'c, Scheduler>,
        timeout: Option<Duration>,
    ) -> MutexGuard<'c, Scheduler> {
        scheduler.driver = Driver::Thread;
        scheduler.epoch += 1;
        self.notify_acceptor(&mut scheduler);
        drop(scheduler);
        self.turn_reactor(timeout);
        let mut scheduler = self.scheduler.lock();
        scheduler.driver = Driver::Unassigned;
        scheduler
    }

    fn sleep<'c>(
        &'c self,
        mut scheduler: MutexGuard<'c, Scheduler>,
        me: usize,
        timeout: Option<Duration>,
    ) -> MutexGuard<'c, Scheduler> {
        scheduler.idle.push(me);
        self.notify_acceptor(&mut scheduler);
        if scheduler.driver == Driver::Standby {
            // It leaves the reactor.
            self.context.net.wake.wake();
        }
        drop(scheduler);
        if let Some(bed) = self.beds.get(me) {
            // A sleep that a signal interrupts is merely short; no other error can occur here (it would repeat as a
            // busy loop).
            let nap = (me == 0).then_some(NAP);
            let longest = timeout.map_or(nap, |timeout| Some(timeout.min(NAP)));
            drop(wait_readable(&[bed.as_fd()], longest));
            bed.clear();
        }
        let mut scheduler = self.scheduler.lock();
        scheduler.awake(me);
        scheduler
    }

    pub fn wake_one(&self, scheduler: &mut Scheduler) {
        if let Some(bed) = scheduler
            .idle
            .pop()
            .and_then(|thread| self.beds.get(thread))
        {
            bed.wake();
        }
    }

    /// Jobs that were taken out of the queue and are run here after all: before the others. Threads may have fallen asleep
    /// meanwhile.
    pub fn return_jobs(&self, mut jobs: VecDeque<Job>) {
        if jobs.is_empty() {
            return;
        }
        let mut scheduler = self.scheduler.lock();
        let added = std::mem::take(&mut scheduler.queue);
        jobs.extend(added);
        scheduler.queue = jobs;
        self.wake_one(&mut scheduler);
        drop(scheduler);
        self.context.net.wake.wake();
    }

    /// This thread is about to wait for a client: another thread has to turn the reactor.
    pub fn attend_now(&self) {
        let mut scheduler = self.scheduler.lock();
        if scheduler.driver == Driver::Unassigned {
            if scheduler.idle.is_empty() {
                scheduler.hurry = true;
                scheduler.standby = Standby::Watching;
                self.alarm.notify_one();
            } else {
                self.wake_one(&mut scheduler);
            }
        }
    }

    /// Notifies the sentinel that it may accept connections again.
    fn notify_acceptor(&self, scheduler: &mut Scheduler) {
        if scheduler.acceptor_waits && scheduler.has_room() {
            scheduler.acceptor_waits = false;
            self.context.picked.wake();
        }
    }

    /// A draining worker without requests and connections.
    fn is_quiet(&self, scheduler: &Scheduler) -> bool {
        scheduler.draining
            && scheduler.busy.is_empty()
            && scheduler.queue.is_empty()
            && self.context.net.connections() == 0
    }

    /// Between two turns: ends the threads if a draining worker has no request and no connection left. No connection is
    /// accepted from then on.
    fn end_if_quiet(&self, scheduler: &mut Scheduler) -> bool {
        let ends = self.is_quiet(scheduler) && self.context.net.intake.close_if_empty();
        if ends {
            self.finish(scheduler);
        }
        ends
    }

    /// One turn, and the end of a drain when nothing is left, or no time.
    pub fn turn_reactor(&self, timeout: Option<Duration>) {
        let mut owner = self.reactor_owner.lock();
        owner.turn(&self.scheduler, timeout);
        let mut scheduler = self.scheduler.lock();
        scheduler.turned = clock::monotonic_us();
        if !scheduler.draining || scheduler.over {
            return;
        }
        if !self.end_if_quiet(&mut scheduler) && self.context.time_left().is_zero() {
            let is_idle = scheduler.busy.is_empty();
            if !is_idle {
                self.report_cancelled();
            }
            self.finish(&mut scheduler);
            drop(scheduler);
            // Cancelled requests are still answered; the worker closes the rest when it exits.
            if is_idle {
                owner.reactor.close_all();
            }
        }
    }

    fn report_cancelled(&self) {
        let requests = self.context.net.page.in_flight();
        let requests = requests
            .iter()
            .map(|request| format!("{} {}", request.method, request.path));
        let requests = requests.collect::<Vec<_>>().join(", ");
        tracing::warn!(requests, "requests are cancelled");
    }

    /// Ends all threads.
    pub fn finish(&self, scheduler: &mut Scheduler) {
        scheduler.over = true;
        self.context.net.intake.close();
        while !scheduler.idle.is_empty() {
            self.wake_one(scheduler);
        }
        self.alarm.notify_all();
        self.wait_queue.notify();
        self.context.net.wake.wake();
    }

    /// Records progress of the thread's request: it read or wrote something.
    pub fn set_progress(&self, me: usize, now: u64) {
        if let Some(progress) = self.progress.get(me) {
            progress.store(now, Relaxed);
        }
    }

    /// The heartbeat of a worker whose threads may be stuck. While it drains, threads without a request do not count:
    /// only the others are waited for.
    pub fn pulse(&self, now: u64) -> Pulse {
        let drains = self.context.net.drain.stage() != DrainStage::Serving;
        let (mut best, mut slowest) = (None, now);
        for progress in &self.progress {
            match progress.load(Relaxed) {
                NO_REQUEST if drains => {}
                NO_REQUEST | WAITS => best = Some(now),
                then => {
                    best = best.max(Some(then));
                    slowest = slowest.min(then);
                }
            }
        }
        Pulse {
            best: best.unwrap_or(now),
            slowest: (self.progress.len() > 1).then_some(slowest),
        }
    }
}
