//! The WSGI side of the connections. Called with a connection locked: it only queues and returns.

use std::sync::Arc;

use super::body::Body;
use super::crew::{Crew, micros};
use super::roster::Job;
use crate::http::RequestHead;
use crate::worker::exchange::Exchange;
use crate::worker::key::RequestKey;
use crate::worker::network::{App, Pulse};

pub struct Door(pub Arc<Crew>);

impl App for Door {
    fn request(&self, exchange: Exchange, head: RequestHead) {
        let mut roster = self.0.roster.lock();
        if head.has_body() {
            roster.arrivals.push((exchange, head));
        } else {
            roster.queue.push_back(Job {
                exchange,
                head,
                body: Body::Empty,
                since: micros(),
            });
        }
    }

    fn readable(&self, key: RequestKey) {
        self.0.roster.lock().fed.push(key);
        self.0.news.tell();
    }

    fn writable(&self, _key: RequestKey) {
        self.0.news.tell();
    }

    fn quiet(&self) {
        // A thread may have closed the last connection while another one sleeps in the reactor.
        self.0.office.net.wake.wake();
    }

    fn has_room(&self) -> bool {
        self.0.is_alone || self.0.roster.lock().has_room()
    }

    fn awaits_room(&self) -> bool {
        if self.0.is_alone {
            return false;
        }
        let mut roster = self.0.roster.lock();
        roster.acceptor_waits = !roster.has_room();
        roster.acceptor_waits
    }

    fn completed(&self) -> u64 {
        self.0.roster.lock().completed
    }

    fn pulse(&self, now: u64) -> Pulse {
        self.0.pulse(now)
    }

    fn sends_lonely_heads(&self) -> bool {
        // PEP 3333: the head waits for the first block, so that `exc_info` can still replace it.
        false
    }
}
