//! The first steps of a forked worker, up to the point where its host takes over. It is not the worker.

use super::generation::Logs;
use super::names;
use super::seat::{Host, Seat};
use super::shell::Child;
use crate::config::Prints;
use crate::ipc::{FromWorker, Phase, State};
use crate::observability;
use crate::sys::process::{Parent, die_with_parent, remove_variable, set_variable};
use crate::sys::signals::Signal;
use crate::sys::{self, Identity, Pid, clock};

/// Exit code of a worker that could not begin (gunicorn's `WORKER_BOOT_ERROR`).
pub const FAILED_TO_BOOT: u8 = 3;

/// What is said to this process alone, and would mislead a worker or what it starts.
pub const PRIVATE: [&str; 6] = [
    "LISTEN_PID",
    "LISTEN_FDS",
    "LISTEN_FDNAMES",
    "NOTIFY_SOCKET",
    "WATCHDOG_PID",
    "WATCHDOG_USEC",
];

/// Lives the worker's life; the number is its exit code.
///
/// Called in the child, after signals and interpreter are set right and everything of the master's is closed.
pub fn live(child: Child, host: &dyn Host) -> u8 {
    let Child {
        seat,
        edition,
        logs,
        identity,
    } = child;
    seat.page
        .set_pid(u64::try_from(Pid::this().as_raw()).unwrap_or(0));
    sys::set_title(
        &format!("rgun: worker {}", seat.slot),
        &names::worker(&seat.settings, seat.slot, seat.generation),
    );
    seat.page.set_state(State::Booting);
    seat.page.beat(clock::monotonic_ms());
    PRIVATE.iter().for_each(|name| remove_variable(name));
    seat.settings
        .env
        .iter()
        .for_each(|(name, value)| set_variable(name, value));
    if let Err(summary) = edition.enter() {
        return fail(&seat, summary);
    }
    // A file that cannot be opened makes this boot fail, and with it the reload that brought it.
    if logs == Logs::ToOpen
        && let Err(error) = observability::start(&seat.settings)
    {
        return fail(&seat, error.to_string());
    }
    if seat.settings.logging.prints == Prints::ToErrorLog
        && let Err(error) = observability::capture_prints()
    {
        return fail(&seat, error.to_string());
    }
    if identity.is_some() {
        host.before_identity();
    }
    if let Some(Err(error)) = identity.as_ref().map(Identity::assume) {
        return fail(&seat, error.to_string());
    }
    // After the change of user, which would take it away.
    match die_with_parent(seat.master, Signal::TERM) {
        Ok(Parent::Alive) => {}
        // Nobody is left to tell, and nothing was begun.
        Ok(Parent::Gone) => return 0,
        Err(error) => return fail(&seat, error.to_string()),
    }
    host.run_worker(seat)
}

fn fail(seat: &Seat, summary: String) -> u8 {
    let failed = FromWorker::Failed {
        phase: Phase::Boot,
        summary,
        traceback: String::new(),
    };
    // When the master is gone, so is everyone who could act on it.
    drop(seat.channel.send(&failed));
    FAILED_TO_BOOT
}
