//! What the exit of a helper means.

use super::supervisor::HelperEnd;
use crate::sys::process::ProcessExit;
use crate::sys::signals::SignalNumber;

/// As with workers: a signal from outside does not count against its successor.
pub fn how(exit: ProcessExit) -> HelperEnd {
    match exit {
        ProcessExit::Signal {
            signal: SignalNumber::KILL | SignalNumber::TERM,
            ..
        } => HelperEnd::Killed,
        ProcessExit::Code(_) | ProcessExit::Signal { .. } => HelperEnd::Failed,
    }
}
