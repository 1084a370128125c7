//! The supervisor's reports on companions as log lines, and the lines that the monitor reads.

use crate::master::event_text::{ExitText, delay, failures, ms, retry_words};
use crate::master::supervisor::{CompanionEnd, CompanionReport};
use crate::sys::Pid;

pub fn write(name: &str, pid: Option<Pid>, what: CompanionReport) {
    let pid = pid.map(Pid::as_raw);
    match what {
        // Why was said when it was tried.
        CompanionReport::Died {
            end: CompanionEnd::NotStarted,
            retry,
            ..
        } => tracing::info!(
            companion = name,
            retry = retry_words(retry),
            failures = failures(retry),
            delay_ms = delay(retry).map(ms),
            "companion is tried again"
        ),
        CompanionReport::Died {
            end: CompanionEnd::Exited(exit),
            uptime,
            retry,
        } => tracing::error!(
            companion = name,
            pid,
            exit = %ExitText(exit),
            uptime_ms = ms(uptime),
            retry = retry_words(retry),
            failures = failures(retry),
            delay_ms = delay(retry).map(ms),
            "companion exited"
        ),
        CompanionReport::Left { end, after } => {
            let exit = match end {
                CompanionEnd::Exited(exit) => Some(ExitText(exit).to_string()),
                CompanionEnd::NotStarted => None,
            };
            tracing::info!(
                companion = name,
                pid,
                exit,
                after_ms = ms(after),
                "companion stopped"
            );
        }
        CompanionReport::Overdue { after } => tracing::warn!(
            companion = name,
            pid,
            after_ms = ms(after),
            "companion did not stop in time, killing it"
        ),
    }
}

/// One line for the monitor: whether it runs, how often it was started again, its name.
pub fn shown(name: &str, runs: bool, restarts: u64) -> String {
    format!("{} {restarts} {name}\n", u8::from(runs))
}
