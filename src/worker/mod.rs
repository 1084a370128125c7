//! A worker process: Python, the app, and all I/O of requests.

mod agenda;
pub mod alone;
mod asgi;
mod busy;
mod clock;
mod collection_schedule;
mod compressor;
mod connection;
mod connection_table;
mod context;
mod drain;
pub mod exchange;
mod files;
mod foundation;
mod garbage;
mod heir;
mod http2;
mod intake;
mod key;
mod ledger;
mod log_throttle;
mod memory_budget;
mod mold;
mod network;
mod pool;
pub mod python;
mod reactor;
mod ready;
mod sentinel;
mod signals;
mod spool;
mod timers;
mod tls;
mod transport;
mod turn_budget;
mod websocket;
mod write_coalescer;
mod wsgi;

use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::Arc;
use std::time::Duration;

use pyo3::prelude::*;

pub use asgi::Engine;
pub use context::WorkerContext;
pub use mold::run_mold;
pub use python::ClientDisconnected;

use crate::config::Settings;
use crate::ipc::{FromWorker, Phase};
use crate::master::WorkerInit;
use crate::observability;
use crate::sys::Listener;
use alone::WorkerPurpose;
use foundation::{Foundation, ProcessKind, describe_failure, plain};
use heir::Heir;
use python::{ForkReturn, Preloaded, Protocol, Relay, Scripts, Warmth, Watched, WorkerHooks};

/// Exit code after `worker_abort`; gunicorn's.
const ABORTED: i32 = 1;

/// Time for the reader of the log to read the last lines of a failed worker.
const LAST_WORDS: Duration = Duration::from_millis(500);

/// Runs the worker in the forked child, in the main thread, with the interpreter started; returns the exit code.
pub fn run(py: Python<'_>, worker_init: WorkerInit) -> u8 {
    run_on(py, worker_init, None)
}

/// `foundation`: prepared by the mold that has forked this process.
fn run_on(py: Python<'_>, mut worker_init: WorkerInit, foundation: Option<Foundation>) -> u8 {
    let loaded_files = worker_init.loaded_files.take();
    crate::sys::watch_forks();
    let heir = match (worker_init.mold.take(), &foundation) {
        (Some(seed), Some(foundation)) => match Heir::keep(py, seed, foundation) {
            Ok(heir) => Some(heir),
            Err(error) => {
                tracing::error!(%error, "worker cannot be set up");
                return 3;
            }
        },
        _ => None,
    };
    let context = match context::open(worker_init) {
        Ok(context) => Arc::new(context),
        Err(error) => {
            tracing::error!(%error, "worker cannot be set up");
            return 3;
        }
    };
    context.send(&FromWorker::Booted);
    let boot = Boot {
        app: None,
        foundation,
        preloaded: None,
        loaded_files,
        process: Process::Forked,
    };
    match live(py, &context, boot, &mut None) {
        Ok(0) if context.has_busy_threads() => leave_busy_threads(py),
        Ok(0) if context.commands.becomes_mold() => match heir {
            Some(heir) => heir.become_mold(py, context),
            None => 0,
        },
        Ok(0) => 0,
        // Not ready: the reason was reported to the master.
        Ok(_) => leave_failed(py, Phase::ReadyPath),
        Err(StartFailure {
            phase,
            summary,
            traceback,
        }) => {
            if context.was_ready() {
                // The master only reports why a boot fails; this is an event loop that the app has stopped or that
                // has raised.
                tracing::error!(traceback, "the event loop has failed: {summary}");
            }
            context.failed(phase, &summary, &traceback);
            leave_failed(py, phase)
        }
    }
}

/// Why a worker did not boot.
struct StartFailure {
    phase: Phase,
    summary: String,
    traceback: String,
}

/// Inputs of a worker's boot besides its seat.
struct Boot {
    /// An app object passed in; else the one that the settings name is imported.
    app: Option<Py<PyAny>>,
    /// Prepared by a mold; else it is prepared here.
    foundation: Option<Foundation>,
    /// The app loaded by a mold.
    preloaded: Option<Preloaded>,
    loaded_files: Option<OwnedFd>,
    process: Process,
}

/// The process that the worker runs in.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Process {
    Forked,
    /// A user's program, which continues when the worker has ended; here in its main thread.
    Main,
    /// A user's program, in another thread: signals are not handled here.
    Thread,
}

fn live(
    py: Python<'_>,
    context: &Arc<WorkerContext>,
    mut boot: Boot,
    about: &mut Option<String>,
) -> Result<u8, StartFailure> {
    let settings = &context.net.settings;
    let process_kind = match boot.process {
        Process::Forked => ProcessKind::Ours,
        Process::Main => ProcessKind::Program,
        Process::Thread => ProcessKind::ProgramThread,
    };
    let from_mold = boot.foundation.is_some();
    let Foundation {
        scripts,
        app,
        hooks,
    } = match boot.foundation.take() {
        Some(foundation) => foundation,
        None => {
            if boot.process == Process::Forked {
                // Before any code of the environment and of the configuration runs, which may hang as the app may.
                python::register_stacks(py, Some(context.stacks.as_raw_fd())).map_err(plain)?;
            }
            Foundation::prepare(py, settings, process_kind, context.master.as_raw())?
        }
    };
    boot.preloaded = app;
    python::offer_leadership(py, context.slot, context.leadership).map_err(plain)?;
    if boot.process == Process::Thread {
        context.commands.leave_signals();
    } else {
        let forked = boot.process == Process::Forked;
        let stacks = forked.then(|| context.stacks.as_raw_fd());
        python::register_stacks(py, stacks).map_err(plain)?;
        if forked {
            signals::leave_to_the_master().map_err(|e| plain(e.into()))?;
        }
    }
    let net = context.net.clone();
    python::write_requests_by(move |text| net.ledger.write_line(text));
    // Whatever happens from here on, what was logged is passed on at the end.
    let mut relay = match settings.logging.python {
        Some(_) => python::route_logs(py, &scripts, None).map_err(plain)?,
        None => None,
    };
    let describe_failure = |phase, error: PyErr| describe_failure(py, &scripts, phase, error);
    let hooks = hooks.map(|hooks| {
        if !from_mold {
            hooks.alone(py, context.age)?;
        }
        hooks.in_worker(py)
    });
    let hooks = hooks
        .transpose()
        .map_err(|e| describe_failure(Phase::Boot, e))?;
    let Some(hooks) = hooks else {
        return serve(py, context, boot, &scripts, &mut relay, None, about);
    };
    let result = hooks
        .call(py, "post_fork")
        .map_err(|e| describe_failure(Phase::Boot, e))
        .and_then(|()| serve(py, context, boot, &scripts, &mut relay, Some(&hooks), about));
    if context.commands.fast_stop_requested() {
        // No code was running yet that would have been interrupted.
        python::tell_interrupt(py);
    }
    hooks.try_to_call(py, "worker_exit");
    if result.is_err() && python::is_aborted() {
        // An exception raised by its hook is no failure of the event loop.
        python::flush_stdio(py);
        observability::finish(LAST_WORDS);
        crate::sys::exit_now(ABORTED);
    }
    result
}

/// From the import of the app to the last request.
fn serve(
    py: Python<'_>,
    context: &Arc<WorkerContext>,
    boot: Boot,
    scripts: &Scripts,
    relay: &mut Option<Relay>,
    hooks: Option<&WorkerHooks>,
    about: &mut Option<String>,
) -> Result<u8, StartFailure> {
    let describe_failure = |phase, error: PyErr| describe_failure(py, scripts, phase, error);
    let watched =
        Watched::new(py, boot.loaded_files).map_err(|e| describe_failure(Phase::Boot, e))?;
    context.enter(Phase::Import);
    let loaded = match (boot.preloaded, boot.app) {
        (Some(preloaded), _) => Ok((
            preloaded.loaded,
            Some((preloaded.description, preloaded.warmth)),
        )),
        (None, Some(app)) => {
            python::recognise(py, scripts, &context.net.settings, app).map(|app| (app, None))
        }
        (None, None) => match hooks {
            Some(hooks) => hooks
                .app(py)
                .and_then(|app| python::recognise(py, scripts, &context.net.settings, app)),
            None => python::load(py, scripts, &context.net.settings),
        }
        .map(|app| (app, None)),
    };
    let (mut loaded, known) = loaded.map_err(|e| {
        watched.tell_failure(py, &e);
        describe_failure(python::failed_phase(py, scripts, &e), e)
    })?;
    python::leave_forked_child(py);
    // An app that closes standard streams: what is opened next would get their numbers, and libuv aborts when it closes
    // one of them. Without /dev/null they stay closed.
    drop(crate::sys::daemon::open_stdio());
    watched.start(py);
    let settings = &context.net.settings;
    let mounts = python::static_mounts(py, scripts, settings)
        .map_err(|e| describe_failure(Phase::Settings, e))?;
    if !settings.files.of_django.is_empty() {
        let shown: Vec<String> = mounts.iter().map(ToString::to_string).collect();
        context.send(&FromWorker::StaticFiles(shown.join("\n")));
    }
    context.net.serve_files(&mounts);
    let (described, mut warmth) = match known {
        Some((description, warmth)) => (description, Some(warmth)),
        None => {
            let description = python::describe(py, scripts, &loaded)
                .map_err(|e| describe_failure(Phase::Boot, e))?;
            (description, None)
        }
    };
    if let Some(hooks) = hooks {
        let app = hooks.initialise(py, &loaded.app);
        let app = app.map_err(|e| describe_failure(Phase::Boot, e))?;
        if !app.is(&loaded.app) {
            warmth = None;
            loaded = python::recognise(py, scripts, settings, app)
                .map_err(|e| describe_failure(python::failed_phase(py, scripts, &e), e))?;
        }
        loaded.app = hooks
            .around(py, &loaded.app, loaded.protocol == Protocol::Asgi)
            .map_err(|e| describe_failure(Phase::Boot, e))?;
    }
    *relay = python::route_logs(py, scripts, relay.take())
        .map_err(|e| describe_failure(Phase::Boot, e))?;
    let warm_up = |app: &Py<PyAny>, event_loop: Option<&Bound<'_, PyAny>>| {
        match (warmth, event_loop) {
            (Some(Warmth::Warm), _) | (Some(Warmth::LacksLoop), None) => return Ok(Warmth::Warm),
            (Some(Warmth::LacksLoop), Some(_)) | (None, _) => {}
        }
        python::warm_up(py, scripts, &context.net.settings, app, event_loop).map_err(|e| {
            watched.tell_failure(py, &e);
            describe_failure(Phase::Import, e)
        })
    };
    // In a user's program, objects are not ours to freeze.
    let freeze = || match boot.process {
        Process::Forked => python::freeze(py).map_err(|e| describe_failure(Phase::Boot, e)),
        Process::Main | Process::Thread => Ok(()),
    };
    let (served, phase) = match loaded.protocol {
        Protocol::Asgi => {
            let app = loaded.app.clone_ref(py);
            let server = asgi::AsgiServer::new(py, context, scripts, app)
                .map_err(|e| describe_failure(Phase::Boot, e))?;
            let runs_on = python::package_of(&server.event_loop);
            describe(context, boot.process, described, &runs_on, about);
            warm_up(&loaded.app, Some(&server.event_loop))?;
            freeze()?;
            context.enter(Phase::Lifespan);
            (server.run(py, context, scripts), Phase::Lifespan)
        }
        Protocol::Wsgi => {
            let runs_on = match settings.threads {
                1 => "1 thread".to_owned(),
                threads => format!("{threads} threads"),
            };
            describe(context, boot.process, described, &runs_on, about);
            warm_up(&loaded.app, None)?;
            freeze()?;
            context.enter(Phase::Boot);
            (wsgi::serve(py, context, scripts, loaded.app), Phase::Boot)
        }
    };
    // In a child that the app has forked, this exits without a message to the master.
    let served = python::in_worker(py, served, |served| ForkReturn::ToAnEnd(served.map(drop)));
    served.map_err(|e| describe_failure(phase, e))
}

/// Describes the loaded app: to the master, or to the caller in this process.
fn describe(
    context: &WorkerContext,
    process: Process,
    app: String,
    runs_on: &str,
    about: &mut Option<String>,
) {
    if process == Process::Forked {
        let version = python::loaded_version();
        let version = version.split(' ').next().unwrap_or(version);
        let text = format!("{app}, {runs_on}, Python {version}");
        context.send(&FromWorker::Description(text));
    } else {
        *about = Some(app);
    }
}

/// A worker in this process: from the import of the app to the last request. Failures are logged; returns the exit
/// code, and the app's description.
fn serve_alone(
    py: Python<'_>,
    settings: &Arc<Settings>,
    listeners: Vec<Listener>,
    app: Option<Py<PyAny>>,
    purpose: WorkerPurpose,
) -> (u8, Option<String>) {
    let begun = alone::begin(settings, listeners, purpose)
        .and_then(|(worker_init, stand_in)| Ok((context::open(worker_init)?, stand_in)));
    let (context, stand_in) = match begun {
        Ok((context, stand_in)) => (Arc::new(context), stand_in),
        Err(error) => {
            tracing::error!(%error, "worker cannot be set up");
            return (3, None);
        }
    };
    let boot = Boot {
        app,
        foundation: None,
        preloaded: None,
        loaded_files: None,
        process: if python::is_main_thread(py) {
            Process::Main
        } else {
            Process::Thread
        },
    };
    let mut about = None;
    let outcome = live(py, &context, boot, &mut about);
    context.commands.finish();
    let complaint = py.detach(|| stand_in.finish());
    if context.has_busy_threads() {
        leave_busy_threads(py);
    }
    let failure = match outcome {
        Ok(0) => return (0, about),
        Ok(_) => complaint.map(|(phase, summary)| StartFailure {
            phase,
            summary,
            traceback: String::new(),
        }),
        Err(failure) => Some(failure),
    };
    let Some(StartFailure {
        phase,
        summary,
        traceback,
    }) = failure
    else {
        return (3, about);
    };
    let what = match phase {
        Phase::Boot | Phase::Import | Phase::Load => "app failed to load",
        Phase::Lifespan => "lifespan startup failed",
        Phase::ReadyPath => "the app is not ready",
        Phase::Settings => "the settings cannot be used",
    };
    tracing::error!(traceback, "{what}: {summary}");
    (exit_code(phase), about)
}

/// `--check-config`: boots a worker in this process, up to the point where it would accept connections. Returns the
/// app's description, or the exit code when the boot failed.
///
/// # Errors
/// 1: the reason is in the log.
pub fn check(py: Python<'_>, settings: &Arc<Settings>) -> Result<String, u8> {
    match serve_alone(py, settings, Vec::new(), None, WorkerPurpose::Check) {
        (0, about) => Ok(about.unwrap_or_default()),
        (_, _) => Err(1),
    }
}

/// `--in-process`: serves in this process until a signal ends it, or `leave` is readable; returns the exit code.
pub fn serve_here(
    py: Python<'_>,
    settings: &Arc<Settings>,
    listeners: Vec<Listener>,
    app: Option<Py<PyAny>>,
    leave: Option<OwnedFd>,
) -> u8 {
    let signals = python::Handlers::save(py);
    let (code, _) = serve_alone(py, settings, listeners, app, WorkerPurpose::Serve(leave));
    signals.restore(py);
    python::flush_stdio(py);
    code
}

/// Ends a process whose threads would block the interpreter's shutdown: does what that would do, without waiting for them.
fn leave_busy_threads(py: Python<'_>) -> ! {
    // Python reports what a hook raises.
    drop(
        py.import("atexit")
            .and_then(|atexit| atexit.call_method0("_run_exitfuncs")),
    );
    python::flush_stdio(py);
    observability::finish(LAST_WORDS);
    crate::sys::exit_now(0);
}

/// A failed child exits at once: threads that the app started at import would block an orderly exit.
fn leave_failed(py: Python<'_>, phase: Phase) -> u8 {
    python::flush_stdio(py);
    observability::finish(LAST_WORDS);
    crate::sys::exit_now(exit_code(phase).into())
}

fn exit_code(phase: Phase) -> u8 {
    match phase {
        Phase::Load => 4,
        Phase::Settings => 1,
        Phase::Boot | Phase::Import | Phase::Lifespan | Phase::ReadyPath => 3,
    }
}
