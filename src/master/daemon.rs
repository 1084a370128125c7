//! `--daemon`: puts the master into the background, while the caller waits for the result of the start.

use std::os::fd::OwnedFd;

use super::Error;
use super::failed_start::FailedStart;
use super::host::Host;
use super::supervisor::{Report, Retry};
use crate::config::Stdio;
use crate::sys::daemon::{
    keep_stdio, leave_session, read_to_end, silence_stdio, wait_for_end, write_all,
};
use crate::sys::process::{Fork, fork};
use crate::sys::{self, Pid, exit_now};

/// The process after the fork.
#[derive(Debug)]
pub enum Detached {
    /// The future master.
    Daemon(Announcement),
    /// The original process; the start has ended, successfully or not.
    Caller(DaemonStart),
}

/// How the daemon's start ended.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DaemonStart {
    /// The caller's exit code.
    pub code: u8,
    /// A message for the user; empty on success.
    pub message: String,
    pub hint: Option<String>,
    /// Lines below the message: the app's traceback.
    pub details: String,
}

impl DaemonStart {
    /// A start that an error ended before a worker was forked.
    pub fn error(message: String, hint: Option<String>) -> Self {
        Self {
            code: 1,
            message,
            hint,
            details: String::new(),
        }
    }

    fn failed(code: u8, what: &str, failure: Option<FailedStart>) -> Self {
        let (message, details) = match failure {
            Some(failure) => (format!("{what}: {}", failure.reason), failure.details),
            None => (what.to_owned(), String::new()),
        };
        let hint =
            "the log may say more; `--error-logfile` keeps it, and without `--daemon` it is seen";
        Self {
            code,
            message,
            hint: details.is_empty().then(|| hint.to_owned()),
            details,
        }
    }
}

/// Reports the result of the start to the caller. If it is dropped without a report (also by a crash), the caller
/// reports a failed start.
#[derive(Debug)]
pub struct Announcement {
    pipe: OwnedFd,
    caller: Pid,
    /// Why the first boot has failed. The caller gets it when everything of the start has ended.
    failure: Option<FailedStart>,
}

impl Announcement {
    fn new(pipe: OwnedFd, caller: Pid) -> Self {
        Self {
            pipe,
            caller,
            failure: None,
        }
    }

    /// The original process, which waits.
    pub fn caller(&self) -> Pid {
        self.caller
    }

    pub fn up(self) {
        self.send(&DaemonStart::default());
    }

    /// With `--reload` a server whose app cannot be loaded keeps running, and waits for the next change.
    fn waits(self, failure: Option<FailedStart>) {
        let what = "the app cannot be loaded, the server waits until its files change";
        self.send(&DaemonStart::failed(0, what, failure));
    }

    /// The first boot has failed, and all that it had started has ended.
    pub fn boot_failed(mut self, code: u8) {
        let failure = self.failure.take();
        self.send(&DaemonStart::failed(
            code,
            "the server did not come up",
            failure,
        ));
    }

    pub fn send(self, start: &DaemonStart) {
        let mut text = vec![start.code];
        // The longest last: of an incomplete message the rest counts.
        let hint = start.hint.as_deref().unwrap_or_default();
        text.extend_from_slice(
            [start.message.as_str(), hint, &start.details]
                .join("\0")
                .as_bytes(),
        );
        write_all(self.pipe, &text);
    }
}

/// Reports to the waiting caller, if there is one, what the supervisor's report means for the start. `failure`: of the most recent boot.
pub fn announce(
    waiting: &mut Option<Announcement>,
    report: &Report,
    failure: Option<&FailedStart>,
) {
    match report {
        Report::Up { .. } => {
            if let Some(announcement) = waiting.take() {
                announcement.up();
            }
        }
        Report::BootFailed {
            retry: Retry::AtNextChange,
            ..
        }
        | Report::MoldFailed {
            retry: Retry::AtNextChange,
            ..
        } => {
            if let Some(announcement) = waiting.take() {
                announcement.waits(failure.cloned());
            }
        }
        report if report.ends_first_boot() => {
            if let Some(announcement) = waiting {
                announcement.failure = failure.cloned();
            }
        }
        _ => {}
    }
}

/// Forks twice: the first child leads a session, the second can never acquire a terminal.
///
/// # Errors
/// System errors, before anything was begun.
pub fn detach(host: &dyn Host, stdio: Stdio) -> Result<Detached, Error> {
    let (read, write) = sys::pipe()?;
    let caller = Pid::this();
    if let Fork::Parent { child } = forked(host)? {
        drop(write);
        wait_for_end(child);
        return Ok(Detached::Caller(outcome(&read_to_end(read))));
    }
    drop(read);
    let announcement = Announcement::new(write, caller);
    let second = leave_session()
        .map_err(Error::from)
        .and_then(|()| forked(host));
    match second {
        Ok(Fork::Parent { .. }) => exit_now(0),
        Ok(Fork::Child) => {
            match stdio {
                Stdio::Silent => silence_stdio()?,
                Stdio::Inherited => keep_stdio()?,
            }
            Ok(Detached::Daemon(announcement))
        }
        Err(error) => {
            announcement.send(&DaemonStart::error(error.to_string(), error.hint()));
            exit_now(1)
        }
    }
}

fn forked(host: &dyn Host) -> Result<Fork, Error> {
    host.before_fork();
    let fork = fork();
    match fork {
        Ok(Fork::Child) => host.after_fork_child(),
        Ok(Fork::Parent { .. }) | Err(_) => host.after_fork_parent(),
    }
    Ok(fork?)
}

fn outcome(heard: &[u8]) -> DaemonStart {
    let Some((code, text)) = heard.split_first() else {
        return DaemonStart {
            code: 1,
            message: "the daemon ended before it was up".to_owned(),
            ..DaemonStart::default()
        };
    };
    let text = String::from_utf8_lossy(text);
    let mut parts = text.splitn(3, '\0').map(str::to_owned);
    DaemonStart {
        code: *code,
        message: parts.next().unwrap_or_default(),
        hint: parts.next().filter(|hint| !hint.is_empty()),
        details: parts.next().unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::master::supervisor::{BootFailure, BootPhase, Generation, Incarnation, Slot, Who};

    fn heard(say: impl FnOnce(Announcement)) -> DaemonStart {
        let (read, write) = sys::pipe().expect("a pipe");
        say(Announcement::new(write, Pid::this()));
        outcome(&read_to_end(read))
    }

    #[test]
    fn the_caller_hears_how_it_went() {
        assert_eq!(heard(Announcement::up), DaemonStart::default());
        let error = DaemonStart::error("bind :80".to_owned(), Some("be root".to_owned()));
        assert_eq!(heard(|one| one.send(&error)), error);
        let unknown = heard(|one| one.boot_failed(3));
        assert_eq!(unknown.code, 3);
        assert!(unknown.hint.is_some_and(|hint| hint.contains("the log")));
        assert_eq!(heard(drop).code, 1);
    }

    const REPORT: Report = Report::FirstBootFailed {
        worker: Who {
            incarnation: Incarnation(1),
            slot: Slot(0),
            generation: Generation(1),
        },
        why: BootFailure::Reported(BootPhase::Import),
        code: 3,
    };

    fn failure() -> FailedStart {
        FailedStart {
            reason: "KeyError: 'HOME'".to_owned(),
            details: "Traceback:\n  app.py".to_owned(),
        }
    }

    #[test]
    fn the_caller_gets_the_reason_and_the_traceback_of_a_failed_boot() {
        let failed = heard(|one| {
            let mut waiting = Some(one);
            announce(&mut waiting, &REPORT, Some(&failure()));
            let one = waiting.expect("until all has ended");
            one.boot_failed(3);
        });
        assert_eq!(
            failed.message,
            "the server did not come up: KeyError: 'HOME'"
        );
        assert_eq!((failed.code, failed.hint), (3, None));
        assert_eq!(failed.details, "Traceback:\n  app.py");
    }

    #[test]
    fn a_server_that_waits_for_a_change_does_not_keep_its_caller() {
        let report = Report::MoldFailed {
            generation: Generation(1),
            why: BootFailure::Reported(BootPhase::Import),
            retry: Retry::AtNextChange,
        };
        let waits = heard(|one| {
            let mut waiting = Some(one);
            announce(&mut waiting, &report, Some(&failure()));
            assert!(waiting.is_none());
        });
        assert_eq!(waits.code, 0);
        assert!(
            waits
                .message
                .contains("waits until its files change: KeyError")
        );
    }
}
