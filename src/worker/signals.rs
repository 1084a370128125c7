//! Signals sent to a worker directly: from an operator, a terminal, or to the whole process group. Commands of the
//! master come by the channel.

use std::io;

use crate::sys::SignalNotes;
use crate::sys::signals::SignalNumber;

/// During the boot these have their default action, so that the app cannot delay the exit.
const ENDS: [SignalNumber; 3] = [SignalNumber::TERM, SignalNumber::INT, SignalNumber::QUIT];

/// Meant for the master, but all processes get them when they are sent to a group or by name (`pkill -HUP rgun`).
const FOR_THE_MASTER: [SignalNumber; 5] = [
    SignalNumber::HUP,
    SignalNumber::USR1,
    SignalNumber::USR2,
    SignalNumber::TTIN,
    SignalNumber::TTOU,
];

/// The requested action.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExitRequest {
    /// As gunicorn's workers: in-flight requests finish.
    Leave,
    LeaveAtOnce,
}

/// Installs handlers that do nothing for the signals meant for the master. Python's `signal` module is imported: an app finds the same handlers as
/// any program.
pub fn leave_to_the_master() -> io::Result<()> {
    SignalNotes::open().map(|signal_notes| signal_notes.handle(&FOR_THE_MASTER))
}

/// From here on a signal that ends the worker does so in order. A handler set by the app takes precedence.
pub fn end_in_order() -> io::Result<()> {
    SignalNotes::open().map(|signal_notes| signal_notes.handle(&ENDS))
}

/// Signals since the last call; the strongest one.
pub fn asked(signal_notes: &SignalNotes) -> Option<ExitRequest> {
    signal_notes
        .take()
        .filter_map(|signal| match signal {
            SignalNumber::TERM => Some(ExitRequest::Leave),
            SignalNumber::INT | SignalNumber::QUIT => Some(ExitRequest::LeaveAtOnce),
            _ => None,
        })
        .max_by_key(|asked| *asked == ExitRequest::LeaveAtOnce)
}
