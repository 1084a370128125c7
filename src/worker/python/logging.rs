//! Python's logging in a worker: gunicorn's loggers, the user's configuration, and the relay to its handlers.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};

use parking_lot::Mutex;
use pyo3::prelude::*;
use pyo3::types::{PyCFunction, PyDict, PyTuple};

use super::Scripts;
use super::app::prepare_path;
use super::hooks::script;
use super::text::logged;
use crate::config::{LogLevel, Prints, PythonLogging, Settings};
use crate::observability::{self, relay};
use crate::sys;

static WRITE_ACCESS: Mutex<Option<Arc<WriteLine>>> = Mutex::new(None);
/// Closes and reopens the files of Python's own handlers.
static REOPEN: OnceLock<Py<PyAny>> = OnceLock::new();
/// A reopening is in progress.
static REOPENING: AtomicBool = AtomicBool::new(false);

/// `gunicorn.error` and `gunicorn.access`, before the app is imported: it may use their handlers for its own logger.
pub fn install_loggers(py: Python<'_>, scripts: &Scripts, settings: &Settings) -> PyResult<()> {
    let logs = scripts.logs.bind(py);
    let say = to_error_log(py)?;
    let write =
        PyCFunction::new_closure(py, Some(c"write"), None, |args: &Arguments<'_>, _: _| {
            observability::write_raw(&logged(&args.get_item(0)?)?);
            Ok::<(), PyErr>(())
        })?;
    let write_access = settings
        .access_log
        .as_ref()
        .map(|_| {
            PyCFunction::new_closure(py, Some(c"write"), None, |args: &Arguments<'_>, _: _| {
                let text = logged(&args.get_item(0)?)?;
                let write = WRITE_ACCESS.lock().clone();
                if let Some(write) = write {
                    write(&text);
                }
                Ok::<(), PyErr>(())
            })
        })
        .transpose()?;
    let level = LogLevel::NAMES
        .get(settings.log_level as usize)
        .unwrap_or(&"info");
    logs.call_method1("install", (level, say, write, write_access))?;
    // Set once; a worker has one interpreter.
    drop(REOPEN.set(logs.getattr("reopen")?.unbind()));
    if settings.logging.prints == Prints::ToErrorLog {
        logs.call_method0("unbuffer")?;
    }
    Ok(())
}

/// Writes a record, given as level, message and traceback, to the server's own error log.
fn to_error_log(py: Python<'_>) -> PyResult<Bound<'_, PyCFunction>> {
    PyCFunction::new_closure(py, Some(c"say"), None, |args: &Arguments<'_>, _: _| {
        let level = args.get_item(0)?.extract()?;
        let [message, below] = [logged(&args.get_item(1)?)?, logged(&args.get_item(2)?)?];
        observability::log_from_python(level, message, below);
        Ok::<(), PyErr>(())
    })
}

type WriteLine = Box<dyn Fn(&str) + Send + Sync>;
type Arguments<'py> = Bound<'py, PyTuple>;

/// Sets the destination of access log lines from Python's handlers: the access log of this worker. Not set in
/// a mold that has imported the app, which has no requests.
pub fn write_requests_by(write: impl Fn(&str) + Send + Sync + 'static) {
    *WRITE_ACCESS.lock() = Some(Arc::new(Box::new(write)));
}

/// The thread that passes the server's own messages and requests to Python's handlers. Dropping this ends it.
pub struct Relay {
    thread: Py<PyAny>,
}

impl Drop for Relay {
    fn drop(&mut self) {
        relay::end();
        Python::attach(|py| {
            // A handler that never returns must not block the exit.
            drop(self.thread.call_method1(py, "join", (2.0,)));
        });
    }
}

/// Applies the user's configuration, if there is one.
pub fn configure_logging(py: Python<'_>, scripts: &Scripts, settings: &Settings) -> PyResult<()> {
    let Some(python) = &settings.logging.python else {
        return Ok(());
    };
    super::without_project(py, &settings.pythonpath, || {
        ["configparser", "json", "logging.config"]
            .into_iter()
            .try_for_each(|module| py.import(module).map(drop))
    })?;
    // Handlers and formatters may be the user's own.
    prepare_path(py, scripts, settings)?;
    let logs = scripts.logs.bind(py);
    match python {
        PythonLogging::File(path) => logs.call_method1("configure", ("file", path)),
        PythonLogging::JsonFile(path) => logs.call_method1("configure", ("json", path)),
        PythonLogging::Dict(text) => logs.call_method1(
            "configure",
            ("dict", text, loader_of_scripts(py, settings)?),
        ),
    }?;
    Ok(())
}

/// Applies changes of gunicorn's loggers: once they are configured, and again once the app is loaded, which may have
/// added filters, formatters and handlers. `before`: the relay that the first call has started.
pub fn route_logs(
    py: Python<'_>,
    scripts: &Scripts,
    before: Option<Relay>,
) -> PyResult<Option<Relay>> {
    let logs = scripts.logs.bind(py);
    let (error_native, error_python, access_native, access_python) =
        logs.call_method0("routes")?.extract()?;
    relay::route(relay::Routes {
        error_native,
        error_python,
        access_native,
        access_python,
    });
    if before.is_some() || !error_python && !access_python {
        return Ok(before);
    }
    relay::begin();
    let take = PyCFunction::new_closure(
        py,
        Some(c"take"),
        None,
        |args: &Arguments<'_>, _: Option<&Bound<'_, PyDict>>| {
            let taken = args.py().detach(relay::take);
            Ok::<_, PyErr>(taken.map(|(items, dropped)| {
                let items: Vec<_> = items.into_iter().map(plain).collect();
                (items, dropped)
            }))
        },
    )?;
    let thread = logs.call_method1("start_relay", (take, relay::ATOMS, to_error_log(py)?))?;
    Ok(Some(Relay {
        thread: thread.unbind(),
    }))
}

/// The function that reads a Python configuration file, for a dictionary that holds objects.
fn loader_of_scripts<'py>(py: Python<'py>, settings: &Settings) -> PyResult<Bound<'py, PyAny>> {
    script(py, settings)?.getattr("load")
}

/// Of a request: its atoms, and its fields with their names.
type RequestRecord = (Vec<String>, Vec<(String, String)>);

/// Python's number of the level, the text, and for a request its atoms and fields.
fn plain(item: relay::RelayItem) -> (u8, String, Option<RequestRecord>) {
    match item {
        relay::RelayItem::Error { level, text } => ((level as u8 + 1) * 10, text, None),
        relay::RelayItem::Access {
            line,
            atoms,
            fields,
        } => (20, line, Some((atoms, fields))),
    }
}

/// After a rotation, also of files that the app's own configuration has opened. In a thread: the app may hold the GIL
/// for long.
pub fn reopen_python_files() {
    if REOPEN.get().is_none() || REOPENING.swap(true, Relaxed) {
        return;
    }
    let reopen = || {
        // Python may be finalised by now: then there is nothing to reopen.
        Python::try_attach(|py| {
            if let Some(Err(error)) = REOPEN.get().map(|reopen| reopen.call0(py)) {
                tracing::error!(%error, "files of Python's logging not reopened");
            }
        });
        REOPENING.store(false, Relaxed);
    };
    let named = || {
        std::thread::Builder::new()
            .name("rgun-reopen".to_owned())
            .stack_size(super::STACK)
            .spawn(reopen)
    };
    if let Err(error) = sys::with_signals_blocked(named).and_then(|spawned| spawned) {
        tracing::error!(%error, "files of Python's logging not reopened");
        REOPENING.store(false, Relaxed);
    }
}
