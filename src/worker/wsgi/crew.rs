//! The application threads and the reactor between them. An idle thread turns the reactor and runs the requests it
//! finds, so that a request costs no hop between threads; while all are busy the standby thread turns it.

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
pub enum Next {
    Job(Box<Job>),
    /// Nothing yet, but signals may have arrived; returned to the main thread only.
    Look,
    /// Report the Python stacks, under that number.
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
    /// What each thread sleeps on. An eventfd and not a futex: a signal must be able to wake the main thread.
    beds: Vec<Wake>,
    /// When each thread last made progress with its request, in monotonic milliseconds; or `NO_REQUEST`, `WAITS`.
    progress: Vec<AtomicU64>,
    /// Each thread's `threading.get_ident()`.
    idents: Vec<AtomicU64>,
    /// No other worker could accept a connection.
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
        let mut roster = self.roster.lock();
        if roster.queue.is_empty() || roster.over || self.is_time_for_a_turn(&roster) {
            return None;
        }
        self.take(&mut roster, me)
    }

    /// The next request; sleeps if there is none. Turns the reactor when no other thread does.
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
            // The main thread returns to run Python's signal handlers.
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

    /// The thread has finished its request. `waited`: how long that request waited for other things than the CPU, if
    /// it was measured.
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
        self.notify_acceptor(&mut roster);
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
        self.notify_acceptor(&mut roster);
        if roster.driver == Driver::Standby {
            // It leaves the reactor.
            self.office.net.wake.wake();
        }
        drop(roster);
        if let Some(bed) = self.beds.get(me) {
            // A sleep that a signal interrupts is merely short; no other error can occur here (it would repeat as a
            // busy loop).
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

    /// This thread is about to wait for a client: another thread has to turn the reactor.
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

    /// Notifies the sentinel that it may accept connections again.
    fn notify_acceptor(&self, roster: &mut Roster) {
        if roster.acceptor_waits && roster.has_room() {
            roster.acceptor_waits = false;
            self.office.picked.wake();
        }
    }

    /// A draining worker without requests and connections.
    fn is_quiet(&self, roster: &Roster) -> bool {
        roster.draining
            && roster.busy.is_empty()
            && roster.queue.is_empty()
            && self.office.net.connections() == 0
    }

    /// Called by the thread that turned the reactor: finishes when the worker is quiet.
    pub fn settle(&self, roster: &mut Roster) {
        if self.is_quiet(roster) {
            self.finish(roster);
        }
    }

    /// Ends all threads.
    pub fn finish(&self, roster: &mut Roster) {
        roster.over = true;
        while !roster.idle.is_empty() {
            self.wake_one(roster);
        }
        self.alarm.notify_all();
        self.news.tell();
        self.office.net.wake.wake();
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
