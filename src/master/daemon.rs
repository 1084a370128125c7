//! `--daemon`: puts the master into the background, while the caller waits for the result of the start.

use std::os::fd::OwnedFd;

use super::Error;
use super::host::Host;
use crate::config::Stdio;
use crate::sys::daemon::{
    keep_stdio, leave_session, read_to_end, silence_stdio, wait_for_end, write_all,
};
use crate::sys::process::{Fork, fork};
use crate::sys::{self, exit_now};

/// The process after the fork.
#[derive(Debug)]
pub enum Detached {
    /// The future master.
    Daemon(Announcement),
    /// The original process; the start has ended, successfully or not.
    Caller(DaemonStart),
}

/// How the daemon's start ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DaemonStart {
    /// The caller's exit code.
    pub code: u8,
    /// A message for the user; empty on success.
    pub message: String,
    pub hint: Option<String>,
}

/// Reports the result of the start to the caller. If it is dropped without a report (also by a crash), the caller
/// reports a failed start.
#[derive(Debug)]
pub struct Announcement {
    pipe: OwnedFd,
}

impl Announcement {
    pub fn up(self) {
        write_all(self.pipe, &[0]);
    }

    /// With `--reload` a server whose app cannot be loaded keeps running, and waits for the next change.
    pub fn waits(self) {
        let message = "the app cannot be loaded, the server waits until its files change";
        self.failed(0, message, Some("the log says why"));
    }

    pub fn failed(self, code: u8, message: &str, hint: Option<&str>) {
        let mut text = vec![code];
        text.extend_from_slice(message.as_bytes());
        text.push(b'\0');
        text.extend_from_slice(hint.unwrap_or_default().as_bytes());
        write_all(self.pipe, &text);
    }
}

/// Forks twice: the first child leads a session, the second can never acquire a terminal.
///
/// # Errors
/// System errors, before anything was begun.
pub fn detach(host: &dyn Host, stdio: Stdio) -> Result<Detached, Error> {
    let (read, write) = sys::pipe()?;
    if let Fork::Parent { child } = forked(host)? {
        drop(write);
        wait_for_end(child);
        return Ok(Detached::Caller(outcome(&read_to_end(read))));
    }
    drop(read);
    let announcement = Announcement { pipe: write };
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
            announcement.failed(1, &error.to_string(), error.hint().as_deref());
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
            hint: None,
        };
    };
    let text = String::from_utf8_lossy(text);
    let (message, hint) = text.split_once('\0').unwrap_or((&text, ""));
    DaemonStart {
        code: *code,
        message: message.to_owned(),
        hint: (!hint.is_empty()).then(|| hint.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heard(say: impl FnOnce(Announcement)) -> DaemonStart {
        let (read, write) = sys::pipe().expect("a pipe");
        say(Announcement { pipe: write });
        outcome(&read_to_end(read))
    }

    #[test]
    fn the_caller_hears_how_it_went() {
        let up = heard(Announcement::up);
        assert_eq!((up.code, up.message.as_str(), up.hint), (0, "", None));
        let failed = heard(|one| one.failed(3, "bind :80", Some("be root")));
        assert_eq!((failed.code, failed.message.as_str()), (3, "bind :80"));
        assert_eq!(failed.hint.as_deref(), Some("be root"));
        let waits = heard(Announcement::waits);
        assert!(waits.code == 0 && waits.message.contains("waits"));
        assert_eq!(heard(drop).code, 1);
    }
}
