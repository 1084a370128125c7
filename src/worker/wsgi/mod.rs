//! The WSGI half of a worker: threads that run the app (PEP 3333).

mod body;
mod call;
mod client_socket;
mod core;
mod environ;
mod errors;
mod file_wrapper;
mod handler;
mod hop_by_hop;
mod input;
mod names;
mod notes;
mod probe;
mod reactor_owner;
mod response;
mod scheduler;
mod standby;
mod stopwatch;
mod thread;
mod thread_pool;
mod upload;
mod wait_queue;

use std::sync::Arc;

use pyo3::exceptions::PySystemExit;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyCFunction, PyDict, PyTuple};

use self::core::WsgiCore;
use stopwatch::{Measurement, Stopwatch};
use thread::Thread;
use thread_pool::{ThreadPool, ThreadStep};

use super::WorkerContext;
use super::busy::Measure;
use super::python::{self, Scripts};
use super::ready::ReadyProbe;
use crate::ipc::FromWorker;
use crate::sys::clock;

/// Serves `app` until the master stops it; returns the exit code.
pub fn serve(
    py: Python<'_>,
    context: &Arc<WorkerContext>,
    scripts: &Scripts,
    app: Py<PyAny>,
) -> PyResult<u8> {
    let threads = usize::try_from(context.net.settings.threads)
        .unwrap_or(1)
        .max(1);
    context.net.busy.measure(Measure::Threads, threads as u64);
    crate::sys::share_arenas();
    let probe = ReadyProbe::new(py, scripts, &context.net.settings, &app)?;
    let thread_pool = ThreadPool::new(context, threads)?;
    let handler = Arc::new(handler::WsgiHandler(thread_pool.clone()));
    context.net.set_app(handler.clone());
    context.requests.set_handler(handler);
    let core = Arc::new(WsgiCore::new(py, thread_pool.clone(), scripts, app)?);
    context.listen();
    if let Some(probe) = probe
        && let Some(complaint) = probe::complaint(py, &core, &probe)?
    {
        context.failed(crate::ipc::Phase::ReadyPath, &complaint, "");
        return Ok(3);
    }
    python::allow_cancel(py)?;
    let standby = standby::spawn(thread_pool.clone())?;
    let others = (1..threads)
        .map(|number| start_thread(py, &core, number))
        .collect::<PyResult<Vec<_>>>()?;
    if !thread_pool.scheduler.lock().draining {
        context.ready();
    }
    let ended = work(py, &core, 0);
    py.detach(|| {
        thread_pool.finish(&mut thread_pool.scheduler.lock());
        // It may be in the middle of a turn, and ends after it.
        drop(standby.join());
    });
    let leaving = python::ignore_cancel(py);
    leave(py, &core, &others);
    let given_back = core.garbage.leave(py);
    thread_pool.reactor_owner.lock().reactor.close_all();
    ended.and(leaving).and(given_back).map(|()| 0)
}

/// A `threading.Thread`, so that names, thread-locals and the interpreter's shutdown work as in any program.
fn start_thread<'py>(
    py: Python<'py>,
    core: &Arc<WsgiCore>,
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
fn work(py: Python<'_>, core: &Arc<WsgiCore>, number: usize) -> PyResult<()> {
    let thread_pool = &core.thread_pool;
    let thread = Thread {
        thread_pool: thread_pool.clone(),
        number,
    };
    let ident = py.import("threading")?.call_method0("get_ident")?;
    thread_pool.set_ident(number, ident.extract()?);
    let mut stopwatch = Stopwatch::default();
    loop {
        let look_again = core.garbage.look(py)?;
        let job = match thread_pool.next_queued(number) {
            Some(job) => job,
            None => match py.detach(|| thread_pool.next(number, look_again)) {
                ThreadStep::Job(job) => job,
                ThreadStep::Look => {
                    py.check_signals()?;
                    python::leave_forked_child(py);
                    continue;
                }
                ThreadStep::Tell(number) => {
                    let text = core.stacks.text(py);
                    core.context.send(&FromWorker::Stacks { number, text });
                    continue;
                }
                ThreadStep::Stop => return Ok(()),
            },
        };
        let watch = (thread_pool.threads() > 1)
            .then(|| stopwatch.start())
            .flatten();
        call::run(py, core, &thread, *job);
        thread_pool.done(number, watch.map(Measurement::waited));
        if number == 0 && python::is_aborted() {
            return Err(PySystemExit::new_err(()));
        }
    }
}

/// Waits for the other threads, for all of them together as long as the grace period allows.
fn leave(py: Python<'_>, core: &WsgiCore, others: &[Bound<'_, PyAny>]) {
    let until = clock::monotonic() + core.context.time_for_threads();
    let mut stuck = 0;
    for other in others {
        let left = until.saturating_sub(clock::monotonic());
        // An error here can only come from a signal handler; the exit takes precedence.
        drop(other.call_method1(intern!(py, "join"), (left.as_secs_f64(),)));
        let alive = other.call_method0(intern!(py, "is_alive"));
        stuck += u32::from(alive.and_then(|alive| alive.is_truthy()).unwrap_or(false));
    }
    if stuck > 0 {
        core.context.leave_threads(stuck);
    }
}
