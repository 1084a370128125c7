//! Threads for work that would block the reactor: waiting for the file system, compressing. They run no Python and
//! take no signals.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::{Condvar, Mutex};

use crate::sys::with_signals_blocked;

pub type PoolJob = Box<dyn FnOnce() + Send>;

/// How long to wait for threads that end.
const LEAVING: Duration = Duration::from_secs(1);

/// Starts threads with the first jobs; they live as long as the worker.
pub struct Pool(Arc<Shared>);

struct Shared {
    /// Name of the threads.
    name: &'static str,
    /// Jobs that run at the same time; others are queued.
    most_threads: usize,
    state: Mutex<PoolState>,
    work: Condvar,
    /// A thread has ended.
    left: Condvar,
}

#[derive(Default)]
struct PoolState {
    /// The threads end when no job is left.
    ends: bool,
    jobs: VecDeque<PoolJob>,
    threads: usize,
    idle: usize,
}

impl Pool {
    pub fn new(name: &'static str, most_threads: usize) -> Self {
        Self(Arc::new(Shared {
            name,
            most_threads,
            state: Mutex::default(),
            work: Condvar::new(),
            left: Condvar::new(),
        }))
    }

    /// Ends the threads; a later job starts them again.
    pub fn end(&self) {
        let mut state = self.0.state.lock();
        state.ends = true;
        self.0.work.notify_all();
        while state.threads > 0 && !self.0.left.wait_for(&mut state, LEAVING).timed_out() {}
        state.ends = false;
    }

    /// There are at most as many jobs as connections: each connection waits for its own.
    ///
    /// # Errors
    /// There is no thread, and none can be started: the job is returned. It is not run here, because a caller may
    /// hold locks that the job takes.
    pub fn run(&self, job: PoolJob) -> Result<(), PoolJob> {
        self.run_with(job, start)
    }

    fn run_with(
        &self,
        job: PoolJob,
        start: impl FnOnce(Arc<Shared>, usize) -> io::Result<()>,
    ) -> Result<(), PoolJob> {
        let mut state = self.0.state.lock();
        if state.idle <= state.jobs.len() && state.threads < self.0.most_threads {
            // The new thread waits for the lock first.
            match start(self.0.clone(), state.threads + 1) {
                Ok(()) => state.threads += 1,
                Err(error) => {
                    tracing::error!(%error, pool = self.0.name, "thread of a pool cannot be started");
                    if state.threads == 0 {
                        return Err(job);
                    }
                }
            }
        }
        state.jobs.push_back(job);
        self.0.work.notify_one();
        Ok(())
    }
}

fn start(shared: Arc<Shared>, number: usize) -> io::Result<()> {
    with_signals_blocked(|| {
        std::thread::Builder::new()
            .name(format!("rgun-{}-{number}", shared.name))
            .spawn(move || shared.work())
    })?
    .map(drop)
}

impl Shared {
    fn work(&self) {
        let mut state = self.state.lock();
        loop {
            while let Some(job) = state.jobs.pop_front() {
                drop(state);
                job();
                state = self.state.lock();
            }
            if state.ends {
                state.threads -= 1;
                self.left.notify_all();
                return;
            }
            state.idle += 1;
            self.work.wait(&mut state);
            state.idle -= 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    fn none(_: Arc<Shared>, _: usize) -> io::Result<()> {
        Err(io::ErrorKind::WouldBlock.into())
    }

    #[test]
    fn a_job_that_no_thread_can_take_is_given_back_and_not_done() {
        let pool = Pool::new("test", 4);
        let (done, jobs) = mpsc::channel();
        let note = move |number: usize| -> PoolJob {
            let done = done.clone();
            Box::new(move || done.send(number).expect("the test listens"))
        };
        assert!(pool.run_with(note(1), none).is_err());
        assert!(jobs.try_recv().is_err());
        // The next one finds a thread, and so do those after it.
        assert!(pool.run(note(2)).is_ok());
        assert_eq!(jobs.recv(), Ok(2));
        assert!(pool.run_with(note(3), none).is_ok());
        assert_eq!(jobs.recv(), Ok(3));
    }
}
