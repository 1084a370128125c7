//! The WSGI half of a worker: threads that run the app (PEP 3333).

mod body;
mod call;
mod client_socket;
mod core;
mod crew;
mod door;
mod environ;
mod errors;
mod file_wrapper;
mod hop_by_hop;
mod input;
mod names;
mod news;
mod notes;
mod post;
mod probe;
mod response;
mod roster;
mod standby;
mod stopwatch;
mod thread;
mod upload;

use std::sync::Arc;
use std::time::Duration;

use pyo3::exceptions::PySystemExit;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyCFunction, PyDict, PyTuple};

use self::core::Core;
use crew::{Crew, Next};
use stopwatch::{Running, Stopwatch};
use thread::Thread;

use super::Office;
use super::busy::Measure;
use super::python::{self, Scripts};
use super::ready::ReadyProbe;
use crate::ipc::FromWorker;

/// Serves `app` until the master stops it; returns the exit code.
pub fn serve(
    py: Python<'_>,
    office: &Arc<Office>,
    scripts: &Scripts,
    app: Py<PyAny>,
) -> PyResult<u8> {
    let threads = usize::try_from(office.net.settings.threads)
        .unwrap_or(1)
        .max(1);
    office.net.busy.measure(Measure::Threads, threads as u64);
    crate::sys::share_arenas();
    let probe = ReadyProbe::new(py, scripts, &office.net.settings, &app)?;
    let crew = Crew::new(office, threads)?;
    office.net.set_app(Box::new(door::Door(crew.clone())));
    let core = Arc::new(Core::new(py, crew.clone(), scripts, app)?);
    office.orders.listen();
    if let Some(probe) = probe
        && let Some(complaint) = probe::complaint(py, &core, &probe)?
    {
        office.failed(crate::ipc::Phase::ReadyPath, &complaint, "");
        return Ok(3);
    }
    python::allow_cancel(py)?;
    let standby = standby::spawn(crew.clone())?;
    let others = (1..threads)
        .map(|number| start_thread(py, &core, number))
        .collect::<PyResult<Vec<_>>>()?;
    if !crew.roster.lock().draining {
        office.ready();
    }
    let ended = work(py, &core, 0);
    py.detach(|| {
        crew.finish(&mut crew.roster.lock());
        // It may be in the middle of a turn, and ends after it.
        drop(standby.join());
    });
    let leaving = python::ignore_cancel(py);
    leave(py, &core, &others);
    crew.post.lock().reactor.close_all();
    ended.and(leaving).map(|()| 0)
}

/// A `threading.Thread`, so that names, thread-locals and the interpreter's shutdown work as in any program.
fn start_thread<'py>(
    py: Python<'py>,
    core: &Arc<Core>,
    number: usize,
) -> PyResult<Bound<'py, PyAny>> {
    let shared = core.clone();
    let target = PyCFunction::new_closure(
        py,
        Some(c"serve"),
        None,
        move |args: &Bound<'_, PyTuple>, _: Option<&Bound<'_, PyDict>>| {
            work(args.py(), &shared, number)
        },
    )?;
    let options = PyDict::new(py);
    options.set_item("target", target)?;
    options.set_item("name", format!("rgun-app-{}", number + 1))?;
    let thread = py
        .import("threading")?
        .call_method("Thread", (), Some(&options))?;
    thread.call_method0("start")?;
    Ok(thread)
}

/// Main function of a thread. An error: a signal handler of the app raised, in the main thread.
fn work(py: Python<'_>, core: &Arc<Core>, number: usize) -> PyResult<()> {
    let crew = &core.crew;
    let thread = Thread {
        crew: crew.clone(),
        number,
    };
    let ident = py.import("threading")?.call_method0("get_ident")?;
    crew.set_ident(number, ident.extract()?);
    let mut stopwatch = Stopwatch::default();
    loop {
        let job = match crew.next_queued(number) {
            Some(job) => job,
            None => match py.detach(|| crew.next(number)) {
                Next::Job(job) => job,
                Next::Look => {
                    py.check_signals()?;
                    python::leave_forked_child(py);
                    continue;
                }
                Next::Tell(number) => {
                    let text = core.stacks.text(py);
                    core.office.say(&FromWorker::Stacks { number, text });
                    continue;
                }
                Next::Stop => return Ok(()),
            },
        };
        let watch = (crew.threads() > 1).then(|| stopwatch.start()).flatten();
        call::run(py, core, &thread, *job);
        crew.done(number, watch.map(Running::waited));
        if number == 0 && python::is_aborted() {
            return Err(PySystemExit::new_err(()));
        }
    }
}

/// Waits for the other threads for the grace period. A thread that does not end would block the interpreter's
/// shutdown for ever, so the process then exits without it.
fn leave(py: Python<'_>, core: &Core, others: &[Bound<'_, PyAny>]) {
    let crew = &core.crew;
    // At least a second, if the grace allows it, for the cleanup of cancelled requests.
    let second = Duration::from_secs(1);
    let mut left = core
        .office
        .time_left()
        .max(second)
        .min(core.office.time_for_a_step());
    let began = crew::micros();
    let mut stuck = 0;
    for other in others {
        // An error here can only come from a signal handler; the exit takes precedence.
        drop(other.call_method1(intern!(py, "join"), (left.as_secs_f64(),)));
        let gone = Duration::from_micros(crew::micros().saturating_sub(began));
        left = left.saturating_sub(gone);
        let alive = other.call_method0(intern!(py, "is_alive"));
        stuck += u32::from(alive.and_then(|alive| alive.is_truthy()).unwrap_or(false));
    }
    if stuck == 0 {
        return;
    }
    tracing::error!(
        threads = stuck,
        "threads still busy after the graceful timeout, exiting"
    );
    crew.post.lock().reactor.close_all();
    // What the interpreter's finalisation would do, without waiting for its threads.
    drop(
        py.import("atexit")
            .and_then(|atexit| atexit.call_method0("_run_exitfuncs")),
    );
    python::flush_stdio(py);
    crate::sys::exit_now(0);
}
