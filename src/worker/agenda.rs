//! Keys of connections that need work in one of the reactor's next turns.

use std::collections::VecDeque;

use parking_lot::Mutex;

use super::key::ConnKey;
use super::timers::Timers;

#[derive(Default)]
pub struct Agenda {
    /// Closed connections without streams, whose places in the reactor can be freed.
    pub closed: Mutex<Vec<ConnKey>>,
    /// Connections that have used up their share of a turn, and could continue at once; in the order in which they do.
    pub unfinished: Mutex<VecDeque<ConnKey>>,
    /// Connections to be checked when their next deadline has passed.
    pub timers: Mutex<Timers>,
}
