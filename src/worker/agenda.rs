//! What connections leave for the reactor's next turns, by name.

use parking_lot::Mutex;

use super::key::ConnKey;
use super::timers::Timers;

#[derive(Default)]
pub struct Agenda {
    /// They have closed, and their places in the reactor are free.
    pub closed: Mutex<Vec<ConnKey>>,
    /// They have had their share of a turn, and could go on at once.
    pub unfinished: Mutex<Vec<ConnKey>>,
    /// They are to be looked at when their next deadline has come.
    pub timers: Mutex<Timers>,
}
