//! The reactor and the uploads in progress, owned by the thread that turns the reactor.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use super::body::WsgiBody;
use super::scheduler::Job;
use super::thread_pool::{ThreadPool, micros};
use super::upload::{Fed, Upload};
use crate::http::RequestHead;
use crate::worker::WorkerContext;
use crate::worker::exchange::{Ending, Exchange};
use crate::worker::key::RequestKey;
use crate::worker::reactor::{Reactor, WatchNew};
use crate::worker::sentinel::MasterCommand;

pub struct ReactorOwner {
    pub reactor: Reactor,
    uploads: HashMap<RequestKey, Upload>,
}

impl ReactorOwner {
    pub fn new(context: &Arc<WorkerContext>) -> std::io::Result<Self> {
        Ok(Self {
            reactor: Reactor::new(context.net.clone(), context.picked.clone(), WatchNew::Later)?,
            uploads: HashMap::new(),
        })
    }

    /// One turn, and its consequences: bodies read, commands executed. `None`: sleeps until there is something to do.
    pub fn turn(&mut self, thread_pool: &ThreadPool, timeout: Option<Duration>) {
        let timeout = match timeout {
            None if thread_pool.scheduler.lock().draining => Some(thread_pool.context.time_left()),
            timeout => timeout,
        };
        if let Err(error) = self.reactor.turn(timeout) {
            tracing::error!(%error, "the reactor cannot wait");
            // Whatever the error is, it must not become a busy loop.
            std::thread::park_timeout(Duration::from_millis(100));
        }
        self.take_bodies(thread_pool);
        while let Some(command) = thread_pool.context.commands.take() {
            self.obey(thread_pool, command);
        }
        self.settle(thread_pool);
    }

    fn take_bodies(&mut self, thread_pool: &ThreadPool) {
        loop {
            let (arrivals, fed) = {
                let mut scheduler = thread_pool.scheduler.lock();
                if scheduler.arrivals.is_empty() && scheduler.fed.is_empty() {
                    return;
                }
                (
                    std::mem::take(&mut scheduler.arrivals),
                    std::mem::take(&mut scheduler.fed),
                )
            };
            for (exchange, head) in arrivals {
                self.begin(thread_pool, exchange, head);
            }
            for key in fed {
                if let Some(upload) = self.uploads.remove(&key) {
                    self.feed(thread_pool, upload);
                }
            }
        }
    }

    fn begin(&mut self, thread_pool: &ThreadPool, exchange: Exchange, head: RequestHead) {
        let upload = Upload::new(exchange, head, thread_pool.spool.clone());
        if upload.is_for_the_app_at_once() {
            let (exchange, head, body) = upload.stream();
            Self::queue(thread_pool, exchange, head, body);
        } else {
            self.feed(thread_pool, upload);
        }
    }

    fn feed(&mut self, thread_pool: &ThreadPool, mut upload: Upload) {
        match upload.feed() {
            Fed::Partly => {
                self.uploads.insert(upload.exchange.key(), upload);
            }
            Fed::Complete(body) => {
                let Upload { exchange, head, .. } = upload;
                Self::queue(thread_pool, exchange, head, body);
            }
            Fed::Lost => {
                // As a rule it has ended already.
                upload.exchange.ended(Ending::Failed);
            }
            Fed::Refused(refusal) => upload.exchange.refuse(refusal),
        }
    }

    fn queue(thread_pool: &ThreadPool, exchange: Exchange, head: RequestHead, body: WsgiBody) {
        thread_pool.scheduler.lock().queue.push_back(Job {
            exchange,
            head,
            body,
            since: micros(),
        });
    }

    fn obey(&mut self, thread_pool: &ThreadPool, command: MasterCommand) {
        match command {
            MasterCommand::Drain { until, end } => {
                thread_pool.context.set_deadline(until, end);
                self.reactor.drain();
            }
            MasterCommand::Fast { end } => {
                thread_pool.context.set_deadline(0, end);
                self.reactor.end_handed_over();
            }
            MasterCommand::Stacks { number } => {
                // A thread that has Python reports them; none does while all threads are busy.
                thread_pool.scheduler.lock().stacks_asked = Some(number);
                return;
            }
        }
        thread_pool.scheduler.lock().draining = true;
    }

    /// The end of a drain: nothing left, or no time left.
    fn settle(&mut self, thread_pool: &ThreadPool) {
        let mut scheduler = thread_pool.scheduler.lock();
        scheduler.turned = micros();
        if !scheduler.draining || scheduler.over {
            return;
        }
        thread_pool.settle(&mut scheduler);
        if !scheduler.over && thread_pool.context.time_left().is_zero() {
            let is_idle = scheduler.busy.is_empty();
            if !is_idle {
                let requests: Vec<String> = thread_pool
                    .context
                    .net
                    .page
                    .in_flight()
                    .iter()
                    .map(|request| format!("{} {}", request.method, request.path))
                    .collect();
                tracing::warn!(requests = requests.join(", "), "requests are cancelled");
            }
            thread_pool.finish(&mut scheduler);
            drop(scheduler);
            // Cancelled requests are still answered; the worker closes the rest when it exits.
            if is_idle {
                self.reactor.close_all();
            }
        }
    }
}
