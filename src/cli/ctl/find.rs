//! Which server is meant. It asks the person when there are several.

use std::io::{BufRead, IsTerminal};
use std::path::PathBuf;

use super::link::Link;
use super::{Failure, Request};
use crate::cli::report;
use crate::master::control::place;

/// What was said about it.
#[derive(Debug, Default)]
pub struct Wanted {
    pub socket: Option<PathBuf>,
}

/// A server that answers.
struct Found {
    path: PathBuf,
    about: String,
}

pub fn find(wanted: &Wanted) -> Result<PathBuf, Failure> {
    if let Some(path) = &wanted.socket {
        return Ok(path.clone());
    }
    let mut found: Vec<Found> = place::existing().into_iter().filter_map(describe).collect();
    match found.len() {
        0 => Err(Failure::new("no server found").hint(
            "looked in $RUNTIME_DIRECTORY, $XDG_RUNTIME_DIR and /run; name its control socket with --socket PATH",
        )),
        1 => Ok(found.remove(0).path),
        _ => choose(&found),
    }
}

/// Somebody else's socket, or a dead one, is not meant.
fn describe(path: PathBuf) -> Option<Found> {
    let answer = Link::at(&path).ok()?.ask(&Request::Status).ok()?;
    let status = answer.status?;
    let about = format!(
        "{}  pid {}  {}  {}",
        path.display(),
        status.pid,
        status.app,
        status.listeners.join(" ")
    );
    Some(Found { path, about })
}

fn choose(found: &[Found]) -> Result<PathBuf, Failure> {
    let list: String = found
        .iter()
        .enumerate()
        .map(|(n, one)| format!("  {}  {}\n", n + 1, one.about))
        .collect();
    let input = std::io::stdin();
    if !input.is_terminal() {
        report::complain(&list);
        return Err(Failure::new("several servers run here").hint("choose one with --socket PATH"));
    }
    report::complain(&format!("Several servers run here:\n{list}Which one? "));
    let mut answer = String::new();
    // An error is as good as no answer.
    drop(input.lock().read_line(&mut answer));
    let number: Option<usize> = answer.trim().parse().ok();
    number
        .and_then(|number| found.get(number.checked_sub(1)?))
        .map(|one| one.path.clone())
        .ok_or_else(|| Failure::new("none of them").hint("choose one with --socket PATH"))
}
