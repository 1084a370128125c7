//! The WSGI side of the connections. Called with a connection locked: it only queues and returns.

use std::sync::Arc;

use super::body::WsgiBody;
use super::reactor_owner::is_turning;
use super::scheduler::Job;
use super::thread_pool::ThreadPool;
use crate::http::RequestHead;
use crate::sys::clock;
use crate::worker::exchange::{Exchange, RequestHandler, WaitingRequest};
use crate::worker::key::RequestKey;
use crate::worker::network::{App, Pulse};

pub struct WsgiHandler(pub Arc<ThreadPool>);

impl WsgiHandler {
    /// A body has come, or a request that has one: the thread that turns the reactor, or the next one that will, takes it at once. This may
    /// be a thread of the app, whose response has let the next request of a client begin.
    fn attend(&self) {
        if !is_turning() {
            self.0.context.net.wake.wake();
        }
    }
}

impl RequestHandler for WsgiHandler {
    fn request(&self, exchange: Exchange, head: RequestHead) {
        let mut scheduler = self.0.scheduler.lock();
        if head.has_body() {
            scheduler.arrivals.push((exchange, head));
            drop(scheduler);
            self.attend();
        } else {
            scheduler.queue.push_back(Job {
                exchange,
                head,
                body: WsgiBody::Empty,
                since: clock::monotonic_us(),
            });
        }
    }

    fn pass_on(&self, pass: &mut dyn FnMut(&WaitingRequest<'_>) -> bool) {
        // As for ASGI: connections are locked, and queue their requests while they are.
        let mut jobs = std::mem::take(&mut self.0.scheduler.lock().queue);
        jobs.retain(|job| {
            let Some(body) = job.body.in_memory() else {
                return true;
            };
            !pass(&WaitingRequest {
                exchange: &job.exchange,
                head: &job.head,
                body,
            })
        });
        self.0.return_jobs(jobs);
    }
}

impl App for WsgiHandler {
    fn readable(&self, key: RequestKey) {
        self.0.scheduler.lock().fed.push(key);
        self.attend();
        self.0.wait_queue.notify();
    }

    fn writable(&self, _key: RequestKey) {
        self.0.wait_queue.notify();
    }

    fn quiet(&self) {
        // A thread may have closed the last connection while another one sleeps in the reactor.
        self.0.context.net.wake.wake();
    }

    fn has_room(&self) -> bool {
        self.0.is_alone || self.0.scheduler.lock().has_room()
    }

    fn awaits_room(&self) -> bool {
        if self.0.is_alone {
            return false;
        }
        let mut scheduler = self.0.scheduler.lock();
        scheduler.acceptor_waits = !scheduler.has_room();
        scheduler.acceptor_waits
    }

    fn completed(&self) -> u64 {
        self.0.scheduler.lock().completed
    }

    fn progress(&self, _turns: u64) -> u64 {
        self.completed()
    }

    fn has_waiting(&self) -> bool {
        !self.0.scheduler.lock().queue.is_empty()
    }

    fn pulse(&self, now: u64) -> Pulse {
        self.0.pulse(now)
    }

    fn flushes_head_early(&self) -> bool {
        // PEP 3333: the head waits for the first block, so that `exc_info` can still replace it.
        false
    }
}
