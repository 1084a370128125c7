//! The application threads and the reactor between them. An idle thread turns the reactor and runs what it finds, so that
//! a request costs no hop between threads; while it is away the standby thread attends. It does not know Python.

use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use parking_lot::{Condvar, Mutex, MutexGuard};

use super::news::News;
use super::post::Post;
use super::roster::{Driver, Job, Roster, Standby};
use crate::config::PortSharing;
use crate::sys::epoll::Wake;
use crate::sys::{clock, wait_readable};
use crate::worker::Office;
use crate::worker::drain::Stage;
use crate::worker::network::Pulse;
use crate::worker::spool::Spool;

/// A busy thread looks after the reactor itself this often, in microseconds.
const LOOK_IN: u64 = 1_000;
/// A request that has waited that long, in microseconds, gets a thread woken for it.
const WAITED: u64 = 500;

/// Requests that wait for so long (a database, another service), in microseconds, leave time to serve others meanwhile:
/// then a thread that goes to run one sends the next thread to the reactor. Below, that costs more than it gives.
const WORTH_A_WAKE: u64 = 50;
/// A thread's progress where there is nothing to get on with.
const NO_REQUEST: u64 = 0;
/// Whoever waits for a client is not stuck: the client's own timeouts see to it.
pub const WAITS: u64 = u64::MAX;
/// The main thread sleeps at most this long: a signal may come between its look for one and its sleep.
const NAP: Duration = Duration::from_secs(1);

/// What a thread is to do next.
pub enum Next {
    Job(Box<Job>),
    /// Nothing yet, but signals may have come: only the main thread is told.
    Look,
    /// Where Python is, under that number.
    Tell(u64),
    Stop,
}

pub struct Crew {
    pub office: Arc<Office>,
    pub roster: Mutex<Roster>,
    pub news: News,
    /// Wakes the standby thread.
    pub alarm: Condvar,
    pub post: Mutex<Post>,
    pub spool: Arc<Spool>,
    /// Each thread's bed. An eventfd and not a futex: a signal must be able to wake the main thread.
    beds: Vec<Wake>,
    /// When each thread last made progress with its request, in monotonic milliseconds; or `NO_REQUEST`, `WAITS`.
    progress: Vec<AtomicU64>,
    /// Each thread's `threading.get_ident()`.
    idents: Vec<AtomicU64>,
    /// There is no other worker that could take a connection.
    pub is_alone: bool,
}

impl Crew {
    pub fn new(office: &Arc<Office>, threads: usize) -> std::io::Result<Arc<Self>> {
        let settings = &office.net.settings;
        let directory = settings.temporary_directory.as_deref();
        Ok(Arc::new(Self {
            post: Mutex::new(Post::new(office)?),
            spool: Spool::new(directory, settings.spool_limit, office.net.page),
            office: office.clone(),
            roster: Mutex::new(Roster::new()),
            news: News::default(),
            alarm: Condvar::new(),
            beds: (0..threads)
                .map(|_| Wake::new())
                .collect::<Result<_, _>>()?,
            progress: (0..threads).map(|_| AtomicU64::new(0)).collect(),
            idents: (0..threads).map(|_| AtomicU64::new(0)).collect(),
            is_alone: settings.workers <= 1 || settings.port_sharing == PortSharing::BySlot,
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

    /// The next request if there is one at once, without sleeping or reading: callable with the GIL held.
    pub fn next_queued(&self, me: usize) -> Option<Box<Job>> {
        let mut roster = self.roster.lock();
        if roster.queue.is_empty() || roster.over || self.is_time_for_a_turn(&roster) {
            return None;
        }
        self.take(&mut roster, me)
    }

    /// The next request, slept for if need be. Turns the reactor when nobody else does.
    pub fn next(&self, me: usize) -> Next {
        let mut roster = self.roster.lock();
        if self.is_time_for_a_turn(&roster) {
            roster = self.turn(roster, Some(Duration::ZERO));
        }
        loop {
            if roster.over {
                return Next::Stop;
            }
            if let Some(number) = roster.stacks_asked.take() {
                return Next::Tell(number);
            }
            if let Some(job) = self.take(&mut roster, me) {
                return Next::Job(job);
            }
            if self.is_quiet(&roster) {
                self.finish(&mut roster);
                return Next::Stop;
            }
            if roster.driver == Driver::Nobody {
                roster = self.turn(roster, None);
            } else {
                roster = self.sleep(roster, me);
            }
            // The main thread goes to see to Python's signal handlers.
            if me == 0 && roster.queue.is_empty() && !roster.over {
                return Next::Look;
            }
        }
    }

    fn take(&self, roster: &mut Roster, me: usize) -> Option<Box<Job>> {
        let job = roster.queue.pop_front()?;
        roster.busy.push(me);
        self.office.net.busy.threads(roster.busy.len());
        self.set_progress(me, self.office.net.now().max(1));
        if roster.driver == Driver::Nobody {
            roster.epoch += 1;
            if roster.standby == Standby::Dozing {
                roster.standby = Standby::Watching;
                self.alarm.notify_one();
            }
        }
        if roster.driver == Driver::Nobody && roster.waits > WORTH_A_WAKE {
            self.wake_one(roster);
        }
        let waited = |job: &Job| micros().saturating_sub(job.since) > WAITED;
        if !roster.idle.is_empty() && roster.queue.front().is_some_and(waited) {
            self.wake_one(roster);
        }
        Some(Box::new(job))
    }

    /// The thread is done with its request. `waited`: how long that request waited, where it was measured.
    pub fn done(&self, me: usize, waited: Option<u64>) {
        self.set_progress(me, NO_REQUEST);
        let mut roster = self.roster.lock();
        roster.busy.retain(|&other| other != me);
        self.office.net.busy.threads(roster.busy.len());
        roster.completed += 1;
        if let Some(waited) = waited {
            roster.waits = (roster.waits * 7 + waited) / 8;
        }
    }

    fn is_time_for_a_turn(&self, roster: &Roster) -> bool {
        roster.driver == Driver::Nobody
            && !roster.queue.is_empty()
            && micros().saturating_sub(roster.turned) > LOOK_IN
    }

    fn turn<'c>(
        &'c self,
        mut roster: MutexGuard<'c, Roster>,
        timeout: Option<Duration>,
    ) -> MutexGuard<'c, Roster> {
        roster.driver = Driver::Thread;
        roster.epoch += 1;
        self.tell_acceptor(&mut roster);
        drop(roster);
        self.post.lock().turn(self, timeout);
        let mut roster = self.roster.lock();
        roster.driver = Driver::Nobody;
        roster
    }

    fn sleep<'c>(
        &'c self,
        mut roster: MutexGuard<'c, Roster>,
        me: usize,
    ) -> MutexGuard<'c, Roster> {
        roster.idle.push(me);
        self.tell_acceptor(&mut roster);
        if roster.driver == Driver::Standby {
            // It gives the reactor back.
            self.office.net.wake.wake();
        }
        drop(roster);
        if let Some(bed) = self.beds.get(me) {
            // An interrupted sleep (a signal) is a short one; an error would show up again at once, as a busy loop: it cannot be.
            drop(wait_readable(&[bed.as_fd()], (me == 0).then_some(NAP)));
            bed.clear();
        }
        let mut roster = self.roster.lock();
        roster.awake(me);
        roster
    }

    pub fn wake_one(&self, roster: &mut Roster) {
        if let Some(bed) = roster.idle.pop().and_then(|thread| self.beds.get(thread)) {
            bed.wake();
        }
    }

    /// This thread is about to wait for a client: the reactor must not stay alone.
    pub fn attend_now(&self) {
        let mut roster = self.roster.lock();
        if roster.driver == Driver::Nobody {
            if roster.idle.is_empty() {
                roster.hurry = true;
                roster.standby = Standby::Watching;
                self.alarm.notify_one();
            } else {
                self.wake_one(&mut roster);
            }
        }
    }

    /// The sentinel may take connections again.
    fn tell_acceptor(&self, roster: &mut Roster) {
        if roster.acceptor_waits && roster.has_room() {
            roster.acceptor_waits = false;
            self.office.picked.wake();
        }
    }

    /// A draining worker with nothing left to do.
    fn is_quiet(&self, roster: &Roster) -> bool {
        roster.draining
            && roster.busy.is_empty()
            && roster.queue.is_empty()
            && self.office.net.connections() == 0
    }

    /// Whoever turned the reactor asks: is it over?
    pub fn settle(&self, roster: &mut Roster) {
        if self.is_quiet(roster) {
            self.finish(roster);
        }
    }

    /// Sends everybody home.
    pub fn finish(&self, roster: &mut Roster) {
        roster.over = true;
        while !roster.idle.is_empty() {
            self.wake_one(roster);
        }
        self.alarm.notify_all();
        self.news.tell();
        self.office.net.wake.wake();
    }

    /// The thread's request has moved on: it read or wrote something.
    pub fn set_progress(&self, me: usize, now: u64) {
        if let Some(progress) = self.progress.get(me) {
            progress.store(now, Relaxed);
        }
    }

    /// The signs of life of a worker whose threads may be stuck. While it drains those without a request do not count: what
    /// is left to wait for are the others.
    pub fn pulse(&self, now: u64) -> Pulse {
        let drains = self.office.net.drain.stage() != Stage::Serving;
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

pub fn micros() -> u64 {
    u64::try_from(clock::monotonic().as_micros()).unwrap_or(u64::MAX)
}
