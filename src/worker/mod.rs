//! A worker: Python and the app, all request I/O. It does not decide when it lives or dies: the master does.

mod agenda;
mod allowance;
mod asgi;
mod busy;
mod clock;
mod complaints;
mod connection;
mod drain;
pub mod exchange;
mod files;
mod held;
mod intake;
mod key;
mod ledger;
mod network;
mod office;
pub mod python;
mod reactor;
mod ready;
mod sentinel;
mod signals;
mod spool;
mod timers;
mod tls;
mod transport;
mod websocket;
mod wsgi;

use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::Arc;
use std::time::Duration;

use pyo3::prelude::*;

pub use asgi::{ClientDisconnected, Engine};
pub use office::Office;

use crate::ipc::{FromWorker, Phase};
use crate::master::Seat;
use crate::observability;
use python::{Came, Hooks, Protocol, Relay, Scripts, Watched};

/// Exit code after `worker_abort`; gunicorn's.
const ABORTED: i32 = 1;

/// What the reader of the log gets to take the last lines of a worker that failed.
const LAST_WORDS: Duration = Duration::from_millis(500);

/// The worker's whole life in the forked child, in the main thread, with the interpreter up; the exit code.
pub fn run(py: Python<'_>, mut seat: Seat) -> u8 {
    let news = seat.news.take();
    crate::sys::watch_forks();
    let office = match office::open(seat) {
        Ok(office) => Arc::new(office),
        Err(error) => {
            tracing::error!(%error, "worker cannot be set up");
            return 3;
        }
    };
    office.say(&FromWorker::Booted);
    match live(py, &office, news) {
        Ok(0) => 0,
        // Not ready: the master was told why.
        Ok(_) => leave_failed(py, Phase::ReadyPath),
        Err(Failure {
            phase,
            summary,
            traceback,
        }) => {
            if office.was_ready() {
                // The master asks why a boot fails; this is a loop that somebody has stopped or thrown out.
                tracing::error!(traceback, "the event loop has failed: {summary}");
            }
            office.failed(phase, &summary, &traceback);
            leave_failed(py, phase)
        }
    }
}

/// Why a worker did not come up.
struct Failure {
    phase: Phase,
    summary: String,
    traceback: String,
}

fn live(py: Python<'_>, office: &Arc<Office>, news: Option<OwnedFd>) -> Result<u8, Failure> {
    let plain = |error: PyErr| Failure {
        phase: Phase::Boot,
        summary: error.to_string(),
        traceback: String::new(),
    };
    python::prepare(py, &office.net.settings, Some(office.stacks.as_raw_fd())).map_err(plain)?;
    signals::leave_to_the_master().map_err(|e| plain(e.into()))?;
    let scripts = Scripts::new(py).map_err(plain)?;
    let told = |phase, error: PyErr| {
        let (summary, traceback) = python::explain(py, &scripts, &error);
        Failure {
            phase,
            summary,
            traceback,
        }
    };
    let settings = &office.net.settings;
    let net = office.net.clone();
    let write_access = settings.access_log.as_ref().map(|_| {
        move |text: &str| {
            net.ledger.write_line(text);
        }
    });
    python::install_loggers(py, &scripts, settings, write_access).map_err(plain)?;
    // Whatever happens from here on, what was said is handed on at the end.
    let mut relay =
        python::configure_logging(py, &scripts, settings).map_err(|e| told(Phase::Settings, e))?;
    let hooks = Hooks::load(py, &office.net.settings, office.master.as_raw(), office.age)
        .map_err(|e| told(Phase::Boot, e))?;
    let Some(hooks) = hooks else {
        return serve(py, office, news, &scripts, &mut relay, None);
    };
    let result = hooks
        .call(py, "post_fork")
        .map_err(|e| told(Phase::Boot, e))
        .and_then(|()| serve(py, office, news, &scripts, &mut relay, Some(&hooks)));
    if office.orders.had_to_be_fast() {
        // Nobody who would have been interrupted was there.
        python::tell_interrupt(py);
    }
    hooks.try_to_call(py, "worker_exit");
    if result.is_err() && python::is_aborted() {
        // What its hook has raised for it is no failure of the event loop's.
        python::flush_stdio(py);
        observability::finish(LAST_WORDS);
        crate::sys::exit_now(ABORTED);
    }
    result
}

/// From the app's import to the worker's last request.
fn serve(
    py: Python<'_>,
    office: &Arc<Office>,
    news: Option<OwnedFd>,
    scripts: &Scripts,
    relay: &mut Option<Relay>,
    hooks: Option<&Hooks>,
) -> Result<u8, Failure> {
    let told = |phase, error: PyErr| {
        let (summary, traceback) = python::explain(py, scripts, &error);
        Failure {
            phase,
            summary,
            traceback,
        }
    };
    let watched = Watched::new(py, news).map_err(|e| told(Phase::Boot, e))?;
    let mut loaded = python::load(py, scripts, &office.net.settings).map_err(|e| {
        watched.tell_failure(py, &e);
        told(python::failed_phase(py, scripts, &e), e)
    })?;
    watched.start(py);
    let settings = &office.net.settings;
    let mounts =
        python::static_mounts(py, scripts, settings).map_err(|e| told(Phase::Settings, e))?;
    office.net.serve_files(&mounts);
    if let Some(hooks) = hooks {
        loaded.app = hooks
            .around(py, &loaded.app, loaded.protocol == Protocol::Asgi)
            .and_then(|app| hooks.call(py, "post_worker_init").map(|()| app))
            .map_err(|e| told(Phase::Boot, e))?;
    }
    *relay = python::route_logs(py, scripts, relay.take()).map_err(|e| told(Phase::Boot, e))?;
    let warm_up = |app: &Py<PyAny>, event_loop: Option<&Bound<'_, PyAny>>| {
        python::warm_up(py, scripts, &office.net.settings, app, event_loop).map_err(|e| {
            watched.tell_failure(py, &e);
            told(Phase::Import, e)
        })
    };
    let (served, phase) = match loaded.protocol {
        Protocol::Asgi => {
            let app = loaded.app.clone_ref(py);
            let server =
                asgi::Server::new(py, office, scripts, app).map_err(|e| told(Phase::Boot, e))?;
            warm_up(&loaded.app, Some(&server.event_loop))?;
            (server.run(py, office, scripts), Phase::Lifespan)
        }
        Protocol::Wsgi => {
            warm_up(&loaded.app, None)?;
            (wsgi::serve(py, office, scripts, loaded.app), Phase::Boot)
        }
    };
    // A child that the app has forked has nothing to say to the master.
    let served = python::in_worker(py, served, |served| Came::ToAnEnd(served.map(drop)));
    served.map_err(|e| told(phase, e))
}

/// `--check-config`: loads the app as a boot would, and says what fails; the exit code.
pub fn check(py: Python<'_>, settings: &crate::config::Settings) -> u8 {
    let loaded = python::prepare(py, settings, None).and_then(|()| {
        let scripts = Scripts::new(py)?;
        python::install_loggers(py, &scripts, settings, None::<fn(&str)>)?;
        let loaded = match python::configure_logging(py, &scripts, settings) {
            Ok(_relay) => python::load(py, &scripts, settings)
                .and_then(|loaded| {
                    python::static_mounts(py, &scripts, settings)?;
                    python::warm_up(py, &scripts, settings, &loaded.app, None)?;
                    Ok(loaded)
                })
                .map_err(|error| ("app failed to load", error)),
            Err(error) => Err(("the logging configuration cannot be used", error)),
        };
        Ok((loaded, scripts))
    });
    match loaded {
        Ok((Ok(_), _)) => 0,
        Ok((Err((what, error)), scripts)) => {
            let (summary, traceback) = python::explain(py, &scripts, &error);
            tracing::error!(traceback, "{what}: {summary}");
            1
        }
        Err(error) => {
            tracing::error!(%error, "the interpreter cannot be prepared");
            1
        }
    }
}

/// A failed child ends at once: threads that the app started at import would hold up an orderly end.
fn leave_failed(py: Python<'_>, phase: Phase) -> u8 {
    python::flush_stdio(py);
    observability::finish(LAST_WORDS);
    let code = match phase {
        Phase::Load => 4,
        Phase::Settings => 1,
        Phase::Boot | Phase::Import | Phase::Lifespan | Phase::ReadyPath => 3,
    };
    crate::sys::exit_now(code)
}
