//! What a signal means that reaches a worker itself: from an operator, a terminal, whoever ends the whole group.
//! What the master wants comes by the channel.

use std::io;

use crate::sys::Noted;
use crate::sys::signals::Signal;

/// While it boots these have their default action, so that nothing the app does can hold up the end.
const ENDS: [Signal; 3] = [Signal::TERM, Signal::INT, Signal::QUIT];

/// They are for the master, but come to all when they are sent to a group or by name (`pkill -HUP rgun`).
const FOR_THE_MASTER: [Signal; 5] = [
    Signal::HUP,
    Signal::USR1,
    Signal::USR2,
    Signal::TTIN,
    Signal::TTOU,
];

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asked {
    /// As gunicorn's workers: finish what is in flight.
    Leave,
    LeaveAtOnce,
}

/// Survives what is for the master. Python's `signal` is imported: an app finds there what any program finds.
pub fn leave_to_the_master() -> io::Result<()> {
    Noted::open().map(|noted| noted.take_over(&FOR_THE_MASTER))
}

/// From here on a worker that is told to end does it in an orderly way. A handler that the app has set is the app's business.
pub fn end_in_order() -> io::Result<()> {
    Noted::open().map(|noted| noted.take_over(&ENDS))
}

/// What came since the last call; the strongest.
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
