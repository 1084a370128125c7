//! Threads that wait for the file system. They run no Python and take no signals.

use std::collections::VecDeque;
use std::sync::Arc;

use parking_lot::{Condvar, Mutex};

use crate::sys::with_signals_blocked;

/// So many searches wait for a slow file system at once; the others wait for them.
const MOST_THREADS: usize = 4;

pub type Job = Box<dyn FnOnce() + Send>;

/// Grows with the first jobs; its threads live as long as the worker.
#[derive(Default)]
pub struct Pool(Arc<Shared>);

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    work: Condvar,
}

#[derive(Default)]
struct State {
    jobs: VecDeque<Job>,
    threads: usize,
    idle: usize,
}

impl Pool {
    /// The jobs are as many as there are connections at the most: each holds up its own.
    pub fn run(&self, job: Job) {
        let mut state = self.0.state.lock();
        state.jobs.push_back(job);
        if state.idle >= state.jobs.len() {
            self.0.work.notify_one();
            return;
        }
        if state.threads == MOST_THREADS {
            return;
        }
        state.threads += 1;
        let number = state.threads;
        drop(state);
        let shared = self.0.clone();
        let spawned = with_signals_blocked(|| {
            std::thread::Builder::new()
                .name(format!("rgun-files-{number}"))
                .spawn(move || shared.work())
        });
        if let Err(error) = spawned.and_then(|thread| thread) {
            self.0.state.lock().threads -= 1;
            tracing::error!(%error, "thread for static files cannot be started");
            // Without any thread nobody would take it: it is done here, which may block.
            if number == 1 {
                let job = self.0.state.lock().jobs.pop_front();
                job.into_iter().for_each(|job| job());
            }
        }
    }
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
            state.idle += 1;
            self.work.wait(&mut state);
            state.idle -= 1;
        }
    }
}
