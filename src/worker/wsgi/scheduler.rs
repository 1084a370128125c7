//! The scheduler's state: requests that wait for a thread, threads that wait for a request, and who turns the
//! reactor. Plain data under one lock; the threads are woken by `thread_pool.rs`.

use std::collections::VecDeque;

use super::body::WsgiBody;
use crate::http::RequestHead;
use crate::worker::exchange::Exchange;
use crate::worker::key::RequestKey;

/// A request for a thread to run.
pub struct Job {
    pub exchange: Exchange,
    pub head: RequestHead,
    pub body: WsgiBody,
    /// Monotonic microseconds of its arrival.
    pub since: u64,
}

/// Which thread turns the reactor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Driver {
    /// None: the thread that did runs a request; it returns, or the standby thread takes over.
    Unassigned,
    /// An application thread that is otherwise idle.
    Thread,
    Standby,
}

/// What the standby thread does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standby {
    /// Checks every other millisecond whether the reactor is attended.
    Watching,
    /// Has nothing to watch: the thread that leaves the reactor wakes it.
    Dozing,
}

pub struct Scheduler {
    pub queue: VecDeque<Job>,
    /// New requests whose body is still to arrive.
    pub arrivals: Vec<(Exchange, RequestHead)>,
    /// Requests whose body has received more bytes.
    pub fed: Vec<RequestKey>,
    /// Threads asleep, by number; the last one to fall asleep is woken first.
    pub idle: Vec<usize>,
    pub driver: Driver,
    pub standby: Standby,
    /// Increases whenever a thread enters or leaves the reactor.
    pub epoch: u64,
    /// Monotonic microseconds at the end of the last turn.
    pub turned: u64,
    /// The standby thread is to take over the reactor without waiting.
    pub hurry: bool,
    /// Threads with a request, by number.
    pub busy: Vec<usize>,
    pub completed: u64,
    /// Average time that requests wait for other things than the CPU, in microseconds.
    pub waits: u64,
    pub draining: bool,
    /// Threads are to exit.
    pub over: bool,
    /// The sentinel is to be notified when there is room for a connection.
    pub acceptor_waits: bool,
    /// The master has requested the Python stacks; the number goes with the reply.
    pub stacks_asked: Option<u64>,
}

impl Scheduler {
    pub fn new() -> Self {
        Self {
            queue: VecDeque::new(),
            arrivals: Vec::new(),
            fed: Vec::new(),
            idle: Vec::new(),
            driver: Driver::Unassigned,
            standby: Standby::Watching,
            epoch: 0,
            turned: 0,
            hurry: false,
            busy: Vec::new(),
            completed: 0,
            waits: 0,
            draining: false,
            over: false,
            acceptor_waits: false,
            stacks_asked: None,
        }
    }

    /// Whether a thread would run the request of one more connection at once.
    pub fn has_room(&self) -> bool {
        let free = self.idle.len() + usize::from(self.driver == Driver::Thread);
        free > self.queue.len()
    }

    /// Removes the thread from the idle ones, if it is still listed.
    pub fn awake(&mut self, thread: usize) {
        self.idle.retain(|&other| other != thread);
    }
}
