//! The address of a host by its name, looked up by a child process: the C library's resolver waits for as long as the name servers
//! take, and a process that forks may have no second thread that does the waiting.
//!
//! The child tries until it succeeds, and writes what it finds to a file in memory. All processes that were forked from its parent
//! find the address there, also those that were forked before it was known.

use std::fs;
use std::io::{ErrorKind, Write};
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::os::fd::{AsRawFd, RawFd};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Duration;

use super::process::{Fork, Parent, die_with_parent, fork, is_ours, kill, wait};
use super::signals::{SignalNumber, start_as_child};
use super::{Error, MemFile, Pid, Result, clock, daemon, exit_now, set_title, wait_for};

/// Between two tries of the child: the first pause, and the longest.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// How often a process polls for the answer while it waits for the first one.
const LOOK_EVERY: Duration = Duration::from_millis(2);

/// What the child writes before an address and before what was wrong.
const FOUND: char = '=';
const FAILED: char = '?';

#[derive(Debug)]
pub struct Lookup {
    host: String,
    port: u16,
    found: OnceLock<SocketAddr>,
    answer: Option<MemFile>,
    child: Option<Pid>,
    /// The process that has started the child.
    owner: Pid,
    reported: Mutex<Reported>,
}

/// A result that is reported for the first time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LookupEvent {
    /// The lookup is retried.
    Failed(String),
    /// After a failure.
    Found(SocketAddr),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reported {
    Nothing,
    Failure,
    Address,
}

impl Lookup {
    /// Starts the lookup. The address of a numeric host is known at once.
    ///
    /// # Errors
    /// When there is no memory or descriptor for the answer.
    pub fn start(host: &str, port: u16) -> Result<Self> {
        let address = host.parse::<IpAddr>().ok();
        let address = address.map(|address| SocketAddr::new(address, port));
        let mut lookup = Self {
            host: host.to_owned(),
            port,
            found: address.map_or_else(OnceLock::new, OnceLock::from),
            answer: None,
            child: None,
            owner: Pid::this(),
            reported: Mutex::new(Reported::Nothing),
        };
        if address.is_some() {
            return Ok(lookup);
        }
        let answer = MemFile::new(c"rgun-resolver")?;
        match fork() {
            Ok(Fork::Child) => look_up(host, port, &answer, lookup.owner),
            Ok(Fork::Parent { child }) => lookup.child = Some(child),
            // A process with threads may block here instead.
            Err(_) => note(&answer, resolve(host, port)),
        }
        lookup.answer = Some(answer);
        Ok(lookup)
    }

    pub fn host(&self) -> &str {
        &self.host
    }

    pub fn is_for(&self, host: &str, port: u16) -> bool {
        self.host == host && self.port == port
    }

    pub fn is_same(&self, other: &Self) -> bool {
        other.is_for(&self.host, self.port)
    }

    /// Whether this process has started the lookup.
    pub fn is_ours(&self) -> bool {
        self.owner == Pid::this()
    }

    /// The address, once it is known; until then each call costs a system call.
    pub fn address(&self) -> Option<SocketAddr> {
        self.found
            .get()
            .copied()
            .or_else(|| self.look().and_then(std::result::Result::ok))
    }

    /// Waits for the first answer, good or bad, but at most that long.
    pub fn wait(&self, patience: Duration) {
        let until = clock::monotonic() + patience;
        while self.found.get().is_none() && self.look().is_none() && clock::monotonic() < until {
            if wait_for(&[], Some(LOOK_EVERY)).is_err() {
                return;
            }
        }
        if self.found.get().is_some() {
            self.reap();
        }
    }

    /// A result to be logged; each is returned once.
    pub fn take_event(&self) -> Option<LookupEvent> {
        if self.child.is_none() && self.found.get().is_some() {
            return None;
        }
        let mut reported = self.reported.lock().unwrap_or_else(PoisonError::into_inner);
        match (*reported, self.look()?) {
            (Reported::Nothing, Err(reason)) => {
                *reported = Reported::Failure;
                Some(LookupEvent::Failed(reason))
            }
            (Reported::Failure, Ok(address)) => {
                *reported = Reported::Address;
                Some(LookupEvent::Found(address))
            }
            (Reported::Nothing, Ok(_)) => {
                *reported = Reported::Address;
                None
            }
            (Reported::Failure, Err(_)) | (Reported::Address, _) => None,
        }
    }

    /// Ends a child that is still looking.
    pub fn stop(&self) {
        if let Some(child) = self.child
            && self.is_ours()
            && self.address().is_none()
            // The master's loop may have reaped it, where it was killed, and then its pid may belong to another process.
            && is_ours(child)
        {
            drop(kill(child, SignalNumber::KILL));
        }
    }

    /// A child that has written an address exits at once.
    fn reap(&self) {
        if let Some(child) = self.child
            && self.is_ours()
        {
            // The master's loop may have reaped it.
            drop(wait(child));
        }
    }

    /// The last answer that the child has written.
    fn look(&self) -> Option<std::result::Result<SocketAddr, String>> {
        if let Some(address) = self.found.get() {
            return Some(Ok(*address));
        }
        let answer = self.answer.as_ref().filter(|answer| !answer.is_empty())?;
        let text = answer.read();
        let line = text.lines().last()?;
        if let Some(address) = line.strip_prefix(FOUND) {
            let address = address.parse().ok()?;
            return Some(Ok(*self.found.get_or_init(|| address)));
        }
        Some(Err(line.trim_start_matches(FAILED).to_owned()))
    }
}

/// In the child.
fn look_up(host: &str, port: u16, answer: &MemFile, parent: Pid) -> ! {
    let prepared = start_as_child().and_then(|()| die_with_parent(parent, SignalNumber::KILL));
    if !matches!(prepared, Ok(Parent::Alive)) {
        exit_now(1);
    }
    // Listeners and pipes of the parent end when the parent closes them.
    drop(daemon::silence_stdio());
    close_others(answer.as_raw_fd());
    set_title("rgun: resolver", "rgun: resolver");
    let mut pause = FIRST_PAUSE;
    loop {
        let resolved = resolve(host, port);
        let is_known = resolved.is_ok();
        // Only the last answer counts, and the first failure has been reported.
        answer.clear();
        note(answer, resolved);
        if is_known {
            exit_now(0);
        }
        if wait_for(&[], Some(pause)).is_err() {
            exit_now(1);
        }
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

fn note(answer: &MemFile, resolved: Result<SocketAddr>) {
    let line = match resolved {
        Ok(address) => format!("{FOUND}{address}\n"),
        Err(error) => format!("{FAILED}{error}\n"),
    };
    // Without memory there is no answer, and the lookup is retried.
    drop(answer.writer().write_all(line.as_bytes()));
}

fn close_others(kept: RawFd) {
    let entries = fs::read_dir("/proc/self/fd")
        .into_iter()
        .flatten()
        .flatten();
    let numbers: Vec<RawFd> = entries
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter(|number| *number > 2 && *number != kept)
        .collect();
    for number in numbers {
        // SAFETY: no pointers are passed. This process uses none of them, and leaves without dropping what owns them.
        unsafe { libc::close(number) };
    }
}

/// Waits for the name servers.
fn resolve(host: &str, port: u16) -> Result<SocketAddr> {
    let failed = |error| Error::new("resolve", host, error);
    let addresses: Vec<_> = (host, port).to_socket_addrs().map_err(failed)?.collect();
    // `localhost` first of all means 127.0.0.1, where servers of this kind listen.
    let v4 = addresses.iter().find(|address| address.is_ipv4());
    v4.or(addresses.first())
        .copied()
        .ok_or_else(|| failed(ErrorKind::NotFound.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_need_nobody() {
        let lookup = Lookup::start("::1", 514).expect("memory");
        assert_eq!(
            lookup.address(),
            Some("[::1]:514".parse().expect("numbers"))
        );
        assert_eq!(lookup.take_event(), None);
    }

    #[test]
    fn a_failure_is_news_once() {
        let lookup = Lookup::start("no-such-host.invalid", 514).expect("memory");
        lookup.wait(Duration::from_secs(60));
        assert_eq!(lookup.address(), None);
        let Some(LookupEvent::Failed(reason)) = lookup.take_event() else {
            panic!("it does not resolve");
        };
        assert!(reason.contains("no-such-host.invalid"), "{reason}");
        assert_eq!(lookup.take_event(), None);
    }

    #[test]
    fn an_answer_that_comes_later_is_found_by_all() {
        let mut lookup = Lookup::start("127.0.0.1", 514).expect("memory");
        lookup.found = OnceLock::new();
        lookup.answer = Some(MemFile::new(c"test").expect("memory"));
        assert_eq!(lookup.address(), None);
        let answer = lookup.answer.as_ref().expect("just set");
        note(answer, Err(Error::new("resolve", "x", ErrorKind::NotFound)));
        assert!(matches!(lookup.take_event(), Some(LookupEvent::Failed(_))));
        answer.clear();
        let address = "192.0.2.1:514".parse().expect("numbers");
        note(answer, Ok(address));
        assert_eq!(lookup.address(), Some(address));
    }
}
