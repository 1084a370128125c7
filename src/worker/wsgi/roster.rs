//! Who is where: requests that wait for a thread, threads that wait for a request, who turns the reactor.
//! Plain data under one lock; it wakes nobody.

use std::collections::VecDeque;

use super::body::Body;
use crate::http::RequestHead;
use crate::worker::exchange::Exchange;
use crate::worker::key::RequestKey;

/// A request as a thread is to run it.
pub struct Job {
    pub exchange: Exchange,
    pub head: RequestHead,
    pub body: Body,
    /// Monotonic microseconds of its arrival.
    pub since: u64,
}

/// Who turns the reactor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Driver {
    /// The thread that did runs a request; it comes back, or the standby thread takes over.
    Nobody,
    /// An application thread that is otherwise idle.
    Thread,
    Standby,
}

/// What the standby thread does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standby {
    /// Looks every other millisecond whether the reactor is attended.
    Watching,
    /// Has nothing to watch over: the thread that leaves the reactor wakes it.
    Dozing,
}

pub struct Roster {
    pub queue: VecDeque<Job>,
    /// Requests whose body is still to come, new ones.
    pub arrivals: Vec<(Exchange, RequestHead)>,
    /// Those of which more of the body has come.
    pub fed: Vec<RequestKey>,
    /// Threads asleep, by number; the last one to fall asleep is woken first.
    pub idle: Vec<usize>,
    pub driver: Driver,
    pub standby: Standby,
    /// Grows with each coming to and leaving of the reactor.
    pub epoch: u64,
    /// Monotonic microseconds at the end of the last turn.
    pub turned: u64,
    /// The reactor is to be taken over without waiting.
    pub hurry: bool,
    /// Threads with a request, by number.
    pub busy: Vec<usize>,
    pub completed: u64,
    /// How long requests typically wait for something else than the CPU, in microseconds.
    pub waits: u64,
    pub draining: bool,
    /// Threads are to end.
    pub over: bool,
    /// The sentinel wants to be told when there is room for a connection.
    pub acceptor_waits: bool,
    /// The master wants to know where Python is; the number goes with the answer.
    pub stacks_asked: Option<u64>,
}

impl Roster {
    pub fn new() -> Self {
        Self {
            queue: VecDeque::new(),
            arrivals: Vec::new(),
            fed: Vec::new(),
            idle: Vec::new(),
            driver: Driver::Nobody,
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

    /// No longer among the idle, whoever woke it.
    pub fn awake(&mut self, thread: usize) {
        self.idle.retain(|&other| other != thread);
    }
}
