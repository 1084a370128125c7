//! The reactor and the uploads in progress, owned by the thread that turns the reactor.

use std::cell::Cell;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

use super::body::WsgiBody;
use super::scheduler::{Job, Scheduler};
use super::upload::{Fed, Upload};
use crate::http::RequestHead;
use crate::sys::clock;
use crate::worker::WorkerContext;
use crate::worker::exchange::{Ending, Exchange};
use crate::worker::key::RequestKey;
use crate::worker::reactor::{Reactor, WatchNew};
use crate::worker::sentinel::MasterCommand;
use crate::worker::spool::Spool;

thread_local! {
    static IS_TURNING: Cell<bool> = const { Cell::new(false) };
}

/// Whether this thread turns the reactor: then what it finds in a turn is taken at the end of that turn.
pub fn is_turning() -> bool {
    IS_TURNING.get()
}

pub struct ReactorOwner {
    pub reactor: Reactor,
    uploads: HashMap<RequestKey, Upload>,
    context: Arc<WorkerContext>,
    spool: Arc<Spool>,
}

impl ReactorOwner {
    pub fn new(context: &Arc<WorkerContext>, spool: &Arc<Spool>) -> std::io::Result<Self> {
        Ok(Self {
            reactor: Reactor::new(context, WatchNew::Later)?,
            uploads: HashMap::new(),
            context: context.clone(),
            spool: spool.clone(),
        })
    }

    /// One turn, and its consequences: bodies read, commands executed. `None`: sleeps until there is something to do.
    pub fn turn(&mut self, scheduler: &Mutex<Scheduler>, timeout: Option<Duration>) {
        let timeout = match timeout {
            None if scheduler.lock().draining => Some(self.context.time_left()),
            timeout => timeout,
        };
        IS_TURNING.set(true);
        if let Err(error) = self.reactor.turn(timeout) {
            tracing::error!(%error, "the reactor cannot wait");
            // Whatever the error is, it must not become a busy loop.
            std::thread::park_timeout(Duration::from_millis(100));
        }
        self.take_bodies(scheduler);
        while let Some(command) = self.context.commands.take() {
            self.obey(scheduler, command);
        }
        IS_TURNING.set(false);
    }

    fn take_bodies(&mut self, scheduler: &Mutex<Scheduler>) {
        loop {
            let (arrivals, fed) = {
                let mut scheduler = scheduler.lock();
                if scheduler.arrivals.is_empty() && scheduler.fed.is_empty() {
                    return;
                }
                (
                    std::mem::take(&mut scheduler.arrivals),
                    std::mem::take(&mut scheduler.fed),
                )
            };
            for (exchange, head) in arrivals {
                self.begin(scheduler, exchange, head);
            }
            for key in fed {
                if let Some(upload) = self.uploads.remove(&key) {
                    self.feed(scheduler, upload);
                }
            }
        }
    }

    fn begin(&mut self, scheduler: &Mutex<Scheduler>, exchange: Exchange, head: RequestHead) {
        let upload = Upload::new(exchange, head, self.spool.clone());
        if upload.is_for_the_app_at_once() {
            let (exchange, head, body) = upload.stream();
            Self::queue(scheduler, exchange, head, body);
        } else {
            self.feed(scheduler, upload);
        }
    }

    fn feed(&mut self, scheduler: &Mutex<Scheduler>, mut upload: Upload) {
        match upload.feed() {
            Fed::Partly => {
                self.uploads.insert(upload.exchange.key(), upload);
            }
            Fed::Complete(body) => {
                let Upload { exchange, head, .. } = upload;
                Self::queue(scheduler, exchange, head, body);
            }
            Fed::Lost => {
                // As a rule it has ended already.
                upload.exchange.ended(Ending::Failed);
            }
            Fed::Refused(refusal) => upload.exchange.refuse(refusal),
        }
    }

    fn queue(scheduler: &Mutex<Scheduler>, exchange: Exchange, head: RequestHead, body: WsgiBody) {
        scheduler.lock().queue.push_back(Job {
            exchange,
            head,
            body,
            since: clock::monotonic_us(),
        });
    }

    fn obey(&mut self, scheduler: &Mutex<Scheduler>, command: MasterCommand) {
        match command {
            MasterCommand::Drain { until, end } => {
                self.context.set_deadline(until, end);
                self.reactor.drain();
            }
            MasterCommand::Fast { end } => {
                self.context.set_deadline(0, end);
                self.reactor.end_handed_over();
            }
            MasterCommand::Stacks { number } => {
                // A thread that has Python reports them; none does while all threads are busy.
                scheduler.lock().stacks_asked = Some(number);
                return;
            }
        }
        scheduler.lock().draining = true;
    }
}
