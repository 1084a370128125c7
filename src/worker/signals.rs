//! Signals sent to a worker directly: from an operator, a terminal, or to the whole process group. Commands of the
//! master come by the channel.

use std::io;

use crate::sys::Noted;
use crate::sys::signals::Signal;

/// During the boot these have their default action, so that the app cannot delay the exit.
const ENDS: [Signal; 3] = [Signal::TERM, Signal::INT, Signal::QUIT];

/// Meant for the master, but all processes get them when they are sent to a group or by name (`pkill -HUP rgun`).
const FOR_THE_MASTER: [Signal; 5] = [
    Signal::HUP,
    Signal::USR1,
    Signal::USR2,
    Signal::TTIN,
    Signal::TTOU,
];

/// The requested action.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asked {
    /// As gunicorn's workers: in-flight requests finish.
    Leave,
    LeaveAtOnce,
}

/// Installs handlers that do nothing for the signals meant for the master. Python's `signal` module is imported: an app finds the same handlers as
/// any program.
pub fn leave_to_the_master() -> io::Result<()> {
    Noted::open().map(|noted| noted.take_over(&FOR_THE_MASTER))
}

/// From here on a signal that ends the worker does so in order. A handler set by the app takes precedence.
pub fn end_in_order() -> io::Result<()> {
    Noted::open().map(|noted| noted.take_over(&ENDS))
}

/// Signals since the last call; the strongest one.
pub fn asked(noted: &Noted) -> Option<Asked> {
    noted
        .take()
        .filter_map(|signal| match signal {
            Signal::TERM => Some(Asked::Leave),
            Signal::INT | Signal::QUIT => Some(Asked::LeaveAtOnce),
            _ => None,
        })
        .max_by_key(|asked| *asked == Asked::LeaveAtOnce)
}
