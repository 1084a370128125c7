//! Finds the server that is meant; when there are several, the operator chooses.

use std::io::{BufRead, IsTerminal};
use std::path::PathBuf;
use std::time::Duration;

use super::configured::Configured;
use super::failure::CtlFailure;
use super::link::{Limit, Link};
use super::screen::{self, Text};
use super::wanted::ServerSelector;
use crate::master::control::place::{self, Existing};
use crate::master::control::protocol::{ControlRequest, ControlResponse, Status};

/// How long each of several servers may take to answer with its status.
const INTRODUCTION: Duration = Duration::from_secs(1);
/// A booting server has no socket yet; the search is repeated at this interval.
const AGAIN: Duration = Duration::from_millis(100);
const CHOOSE: &str = "choose one with --socket PATH, --name NAME or --pid PID";
/// Threads that ask a server each.
const AT_ONCE: usize = 32;

/// A running server.
struct RunningServer {
    path: PathBuf,
    /// The process that listens at the socket: the master.
    pid: Option<u32>,
    /// `None`: it did not answer in time.
    status: Option<Status>,
}

/// Finds the server and connects to it.
pub fn open(wanted: &ServerSelector, limit: Limit) -> Result<Link, CtlFailure> {
    Link::at(&path(wanted, limit)?, limit)
}

/// Sends the request as soon as there is a server.
pub fn ask_in_time(
    wanted: &ServerSelector,
    request: &ControlRequest,
    limit: Limit,
) -> Result<ControlResponse, CtlFailure> {
    let mut link = loop {
        match open(wanted, limit) {
            Ok(link) => break link,
            Err(failure) if !failure.may_pass || limit.is_over() => return Err(failure),
            Err(_) => std::thread::park_timeout(AGAIN),
        }
    };
    link.ask(request)
}

/// The control socket of the server.
pub fn path(wanted: &ServerSelector, limit: Limit) -> Result<PathBuf, CtlFailure> {
    let configured = match wanted {
        ServerSelector::At(path) => return Ok(path.clone()),
        ServerSelector::Any => Configured::here(),
        ServerSelector::Called(_) | ServerSelector::Process(_) => Configured::default(),
    };
    if let Some(path) = configured.socket {
        return Ok(path);
    }
    place::sweep();
    let Existing { own, foreign } = place::existing();
    let mut found = running(own, limit);
    match wanted {
        ServerSelector::Called(name) => found.retain(|one| one.is_called(name)),
        ServerSelector::Process(pid) => found.retain(|one| one.has(*pid)),
        ServerSelector::At(_) | ServerSelector::Any => {
            if let Some(name) = &configured.name
                && found.iter().any(|one| one.is_called(name))
            {
                found.retain(|one| one.is_called(name));
            }
        }
    }
    match found.len() {
        0 => Err(none(wanted).hint(match (foreign.first(), configured.error) {
            (_, Some(error)) => format!("the configuration here cannot be read: {error}"),
            (Some((path, why)), None) => format!("skipped: {} {why}", path.display()),
            (None, None) => {
                let searched = place::searched();
                let searched: Vec<_> = searched.iter().map(|it| it.to_string_lossy()).collect();
                format!(
                    "looked in {} and its directories; name its control socket with --socket PATH",
                    searched.join(", ")
                )
            }
        })),
        1 => Ok(found.remove(0).path),
        _ => choose(&found, wanted),
    }
}

/// Asked at the same time, so that servers that do not answer cost the time of one.
fn running(paths: Vec<PathBuf>, limit: Limit) -> Vec<RunningServer> {
    let mut found = Vec::new();
    for some in paths.chunks(AT_ONCE) {
        std::thread::scope(|scope| {
            let ask = |path: PathBuf| scope.spawn(move || RunningServer::at(path, limit));
            let asked: Vec<_> = some.iter().cloned().map(ask).collect();
            found.extend(
                asked
                    .into_iter()
                    .filter_map(|one| one.join().ok().flatten()),
            );
        });
    }
    found
}

fn none(wanted: &ServerSelector) -> CtlFailure {
    CtlFailure {
        may_pass: true,
        ..CtlFailure::new(match wanted {
            ServerSelector::Called(name) => format!("no server called {name} found"),
            ServerSelector::Process(pid) => format!("no server with a process {pid} found"),
            ServerSelector::At(_) | ServerSelector::Any => "no server found".to_owned(),
        })
    }
}

impl RunningServer {
    /// `None`: no trusted process listens there.
    fn at(path: PathBuf, limit: Limit) -> Option<Self> {
        let mut link = Link::at(&path, limit.at_most(INTRODUCTION)).ok()?;
        let answer = link.ask(&ControlRequest::Status).ok();
        Some(Self {
            path,
            pid: link.pid(),
            status: answer.and_then(|answer| answer.status),
        })
    }

    fn is_called(&self, name: &str) -> bool {
        let own = self.status.as_ref().and_then(|it| it.name.as_deref());
        own == Some(name) || place::is_called(&self.path, name)
    }

    fn has(&self, pid: u32) -> bool {
        let is_known = self.status.as_ref().is_some_and(|status| {
            let mut workers = status.workers.iter();
            let mut companions = status.companions.iter().filter_map(|one| one.pid);
            status.pid == pid
                || workers.any(|worker| u32::try_from(worker.pid) == Ok(pid))
                || companions.any(|companion| u32::try_from(companion) == Ok(pid))
        });
        // One that is stopped accepts connections and answers none.
        is_known || self.pid == Some(pid)
    }

    fn describe(&self, text: &mut Text) {
        let path = self.path.display();
        match &self.status {
            Some(status) => {
                let name = status.name.as_deref().unwrap_or_default();
                let listeners = status.listeners.join(" ");
                text.append(format_args!(
                    "{path}  pid {}  {name}{}{}  {listeners}",
                    status.pid,
                    if name.is_empty() { "" } else { "  " },
                    status.app
                ));
            }
            None => {
                let pid = self.pid.map(|pid| format!("  pid {pid}"));
                text.append(format_args!(
                    "{path}{}  does not answer",
                    pid.unwrap_or_default()
                ));
            }
        }
    }
}

fn choose(found: &[RunningServer], wanted: &ServerSelector) -> Result<PathBuf, CtlFailure> {
    let (several, hint) = match wanted {
        ServerSelector::Called(name) => (
            format!("several servers are called {name}"),
            "choose one with --pid PID or --socket PATH",
        ),
        _ => ("several servers run here".to_owned(), CHOOSE),
    };
    let mut list = Text::default();
    for (n, one) in found.iter().enumerate() {
        list.append(format_args!("  {}  ", n + 1));
        one.describe(&mut list);
        list.end_line();
    }
    let input = std::io::stdin();
    if !input.is_terminal() {
        screen::complain(&list);
        return Err(CtlFailure::new(several).hint(hint));
    }
    let mut question = Text::default();
    question.append(format_args!("{several}:"));
    question.end_line();
    question.add(&list);
    question.append_lines("Which one? ");
    screen::complain(&question);
    let mut answer = String::new();
    // A read error counts as no answer.
    drop(input.lock().read_line(&mut answer));
    let number: Option<usize> = answer.trim().parse().ok();
    number
        .and_then(|number| found.get(number.checked_sub(1)?))
        .map(|one| one.path.clone())
        .ok_or_else(|| CtlFailure::new("no server chosen").hint(hint))
}
