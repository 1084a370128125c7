//! The reactor and the uploads in progress, owned by the thread that turns the reactor.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use super::body::Body;
use super::crew::{Crew, micros};
use super::roster::Job;
use super::upload::{Fed, Upload};
use crate::http::RequestHead;
use crate::worker::Office;
use crate::worker::exchange::{Ending, Exchange};
use crate::worker::key::RequestKey;
use crate::worker::reactor::{Reactor, WatchNew};
use crate::worker::sentinel::Command;

pub struct Post {
    pub reactor: Reactor,
    uploads: HashMap<RequestKey, Upload>,
}

impl Post {
    pub fn new(office: &Arc<Office>) -> std::io::Result<Self> {
        Ok(Self {
            reactor: Reactor::new(office.net.clone(), office.picked.clone(), WatchNew::Later)?,
            uploads: HashMap::new(),
        })
    }

    /// One turn, and its consequences: bodies read, commands executed. `None`: sleeps until there is something to do.
    pub fn turn(&mut self, crew: &Crew, timeout: Option<Duration>) {
        let timeout = match timeout {
            None if crew.roster.lock().draining => Some(crew.office.time_left()),
            timeout => timeout,
        };
        if let Err(error) = self.reactor.turn(timeout) {
            tracing::error!(%error, "the reactor cannot wait");
            // Whatever the error is, it must not become a busy loop.
            std::thread::park_timeout(Duration::from_millis(100));
        }
        self.take_bodies(crew);
        while let Some(command) = crew.office.orders.take() {
            self.obey(crew, command);
        }
        self.settle(crew);
    }

    fn take_bodies(&mut self, crew: &Crew) {
        loop {
            let (arrivals, fed) = {
                let mut roster = crew.roster.lock();
                if roster.arrivals.is_empty() && roster.fed.is_empty() {
                    return;
                }
                (
                    std::mem::take(&mut roster.arrivals),
                    std::mem::take(&mut roster.fed),
                )
            };
            for (exchange, head) in arrivals {
                self.begin(crew, exchange, head);
            }
            for key in fed {
                if let Some(upload) = self.uploads.remove(&key) {
                    self.feed(crew, upload);
                }
            }
        }
    }

    fn begin(&mut self, crew: &Crew, exchange: Exchange, head: RequestHead) {
        let upload = Upload::new(exchange, head, crew.spool.clone());
        if upload.is_for_the_app_at_once() {
            let (exchange, head, body) = upload.stream();
            Self::queue(crew, exchange, head, body);
        } else {
            self.feed(crew, upload);
        }
    }

    fn feed(&mut self, crew: &Crew, mut upload: Upload) {
        match upload.feed() {
            Fed::Partly => {
                self.uploads.insert(upload.exchange.key(), upload);
            }
            Fed::Complete(body) => {
                let Upload { exchange, head, .. } = upload;
                Self::queue(crew, exchange, head, body);
            }
            Fed::Lost => {
                // As a rule it has ended already.
                upload.exchange.ended(Ending::Failed);
            }
            Fed::Refused(refusal) => upload.exchange.refuse(refusal),
        }
    }

    fn queue(crew: &Crew, exchange: Exchange, head: RequestHead, body: Body) {
        crew.roster.lock().queue.push_back(Job {
            exchange,
            head,
            body,
            since: micros(),
        });
    }

    fn obey(&mut self, crew: &Crew, command: Command) {
        match command {
            Command::Drain { until, end } => {
                crew.office.set_deadline(until, end);
                self.reactor.drain();
            }
            Command::Fast { end } => {
                crew.office.set_deadline(0, end);
                self.reactor.end_handed_over();
            }
            Command::Stacks { number } => {
                // A thread that has Python reports them; none does while all threads are busy.
                crew.roster.lock().stacks_asked = Some(number);
                return;
            }
        }
        crew.roster.lock().draining = true;
    }

    /// The end of a drain: nothing left, or no time left.
    fn settle(&mut self, crew: &Crew) {
        let mut roster = crew.roster.lock();
        roster.turned = micros();
        if !roster.draining || roster.over {
            return;
        }
        crew.settle(&mut roster);
        if !roster.over && crew.office.time_left().is_zero() {
            let is_idle = roster.busy.is_empty();
            if !is_idle {
                let requests: Vec<String> = crew
                    .office
                    .net
                    .page
                    .in_flight()
                    .iter()
                    .map(|request| format!("{} {}", request.method, request.path))
                    .collect();
                tracing::warn!(requests = requests.join(", "), "requests are cancelled");
            }
            crew.finish(&mut roster);
            drop(roster);
            // Cancelled requests are still answered; the worker closes the rest when it exits.
            if is_idle {
                self.reactor.close_all();
            }
        }
    }
}
