//! Python for the worker: the interpreter, our scripts in it, loading the app, errors.

mod app;
mod cancel;
mod collected;
mod contained;
mod disconnect;
mod fork;
mod forked;
mod garbage;
mod handlers;
mod hooks;
mod interpreter;
mod leader;
mod logging;
mod resume;
mod scripts;
mod stacks;
mod static_mounts;
mod text;
mod watched;

pub use app::{
    Loaded, Preloaded, Protocol, Warmth, close_idle, describe, failed_phase, load, loader,
    ready_host, recognise, warm_up,
};
pub use cancel::{
    allow_cancel, cancel_main_thread, cancel_thread, ignore_cancel, main_thread_is_interruptible,
};
pub use collected::{Collected, track};
pub use contained::contained;
pub use disconnect::{ClientDisconnected, is_disconnect};
pub use fork::{after_fork_child, after_fork_parent, before_fork};
pub use forked::{ForkReturn, in_worker, leave_forked_child};
pub use garbage::{CollectionTimes, FullCollections};
pub use handlers::{Handlers, is_main_thread};
pub use hooks::{
    Hooks, WorkerHooks, interrupt_is_heard, is_aborted, is_ended_by_hook, tell_interrupt,
};
pub use interpreter::{Interpreter, StartError, loaded_version};
pub use leader::offer_leadership;
pub use logging::{
    Relay, configure_logging, install_loggers, reopen_python_files, route_logs, write_requests_by,
};
pub use resume::{Step, resume};
pub use scripts::{Scripts, mold as mold_script};
pub use stacks::StackFormatter;
pub use static_mounts::static_mounts;
pub use text::{latin1, logged, package_of, to_latin1, type_name};
pub use watched::Watched;

use std::path::PathBuf;

use pyo3::prelude::*;
use pyo3::types::PyList;

use crate::config::Settings;

/// Stack size of a thread that calls user code, in bytes: Python's recursion limit is designed for this size.
pub const STACK: usize = 8 * 1024 * 1024;

/// The exception with its traceback attached: pyo3 keeps the two apart.
pub fn exception<'py>(py: Python<'py>, error: &PyErr) -> Bound<'py, PyAny> {
    let value = error.value(py).clone().into_any();
    if let Some(traceback) = error.traceback(py) {
        // Only an exception class of the user could refuse, and then there is no traceback to show.
        drop(value.setattr(pyo3::intern!(py, "__traceback__"), traceback));
    }
    value
}

/// The user's traceback as text, without frames of ours.
pub fn format_error(py: Python<'_>, scripts: &Scripts, error: &PyErr) -> String {
    let formatted = scripts
        .boot
        .bind(py)
        .call_method1("format_error", (exception(py, error),));
    formatted
        .and_then(|text| logged(&text))
        .unwrap_or_else(|_| error.to_string())
}

/// The last line of the traceback.
pub fn summary(py: Python<'_>, scripts: &Scripts, error: &PyErr) -> String {
    let line = scripts
        .boot
        .bind(py)
        .call_method1("summary", (error.value(py),));
    line.and_then(|line| logged(&line))
        .unwrap_or_else(|_| error.to_string())
}

/// Summary and traceback of a failed boot. Our own `LoadError` has no traceback: its summary is complete.
pub fn explain(py: Python<'_>, scripts: &Scripts, error: &PyErr) -> (String, String) {
    let value = error.value(py);
    for (module, name) in [
        (&scripts.boot, "LoadError"),
        (&scripts.serve, "LifespanFailed"),
        (&scripts.logs, "ConfigError"),
    ] {
        let ours = module
            .bind(py)
            .getattr(name)
            .and_then(|kind| value.is_instance(&kind))
            .unwrap_or(false);
        if ours {
            let args = value
                .getattr("args")
                .and_then(|args| args.extract::<Vec<Bound<'_, PyAny>>>())
                .unwrap_or_default();
            let mut args = args.iter().filter_map(|text| logged(text).ok());
            let summary = args.next().unwrap_or_default();
            return (
                summary,
                args.next()
                    .map(|hint| format!("hint: {hint}"))
                    .unwrap_or_default(),
            );
        }
    }
    (
        summary(py, scripts, error),
        format_error(py, scripts, error),
    )
}

/// A hosted interpreter has read its environment before the fork: the settings are applied on top.
pub fn environment(py: Python<'_>, settings: &Settings) -> PyResult<()> {
    let environ = py.import("os")?.getattr("environ")?;
    for name in [
        "LISTEN_PID",
        "LISTEN_FDS",
        "LISTEN_FDNAMES",
        "NOTIFY_SOCKET",
        "WATCHDOG_PID",
        "WATCHDOG_USEC",
    ] {
        environ.call_method1("pop", (name, py.None()))?;
    }
    for (name, value) in &settings.env {
        environ.set_item(name, value)?;
    }
    // As gunicorn's master does, for apps that check which server they run under.
    let software = concat!("rgun/", env!("CARGO_PKG_VERSION"));
    environ
        .call_method1("setdefault", ("SERVER_SOFTWARE", software))
        .map(drop)
}

/// Python's own handler of SIGINT would raise KeyboardInterrupt somewhere in the app or in the event loop. The signal
/// must not be ignored either: child processes would inherit that. A handler that is not Python's own stays.
fn forget_keyboard_interrupt(py: Python<'_>) -> PyResult<()> {
    let signal = py.import("signal")?;
    let interrupt = signal.getattr("SIGINT")?;
    let handler = signal.call_method1("getsignal", (&interrupt,))?;
    if handler.is(signal.getattr("default_int_handler")?) {
        signal.call_method1("signal", (interrupt, signal.getattr("SIG_DFL")?))?;
    }
    Ok(())
}

/// Loads the modules of Python's standard library that a worker needs, before it changes to a user who may not read
/// it (an interpreter in root's home). Nothing of `site-packages` or of the app: that must not run with the master's
/// rights.
pub fn preload_stdlib(py: Python<'_>) {
    const NEEDED: [&str; 14] = [
        "asyncio",
        "difflib",
        "encodings.idna",
        "faulthandler",
        "importlib.metadata",
        "inspect",
        "json",
        "linecache",
        "logging.config",
        "rgun._site",
        "selectors",
        "signal",
        "site",
        "traceback",
    ];
    let imported = without_project(py, &[], || {
        for module in NEEDED {
            if let Err(error) = py.import(module) {
                // If it is needed later, the import there raises an error that names it.
                tracing::debug!(module, %error, "not loaded before the change of user");
            }
        }
        Ok(())
    });
    if let Err(error) = imported {
        tracing::debug!(%error, "nothing loaded before the change of user");
    }
}

/// Imports without the working directory, `PYTHONPATH` and `--pythonpath` on the path: a project's `json.py` is not
/// the module we mean, and it must not run as root.
fn without_project<T>(
    py: Python<'_>,
    pythonpath: &[PathBuf],
    import: impl FnOnce() -> PyResult<T>,
) -> PyResult<T> {
    let path = py.import("sys")?.getattr("path")?.cast_into::<PyList>()?;
    let variable = std::env::var_os("PYTHONPATH").unwrap_or_default();
    let named: Vec<PathBuf> = std::env::split_paths(&variable)
        .chain(pythonpath.iter().cloned())
        .chain([PathBuf::from(".")])
        .filter_map(|entry| std::path::absolute(entry).ok())
        .collect();
    let whole = path.get_slice(0, path.len());
    let own = PyList::empty(py);
    for entry in whole.iter() {
        let is_project = entry
            .extract::<PathBuf>()
            .is_ok_and(|entry| named.contains(&entry));
        if !is_project {
            own.append(entry)?;
        }
    }
    path.set_slice(0, path.len(), own.as_any())?;
    let result = import();
    path.set_slice(0, path.len(), whole.as_any())?;
    result
}

/// Prepares the process for user code: runs `site` (a hosted master ran without it).
pub fn prepare(py: Python<'_>) -> PyResult<()> {
    forget_keyboard_interrupt(py)?;
    let sys = py.import("sys")?;
    if sys.getattr("flags")?.getattr("no_site")?.is_truthy()? {
        py.import("rgun._site")?.call_method0("enter")?;
    }
    Ok(())
}

/// Registers the stack dumper. `stacks`: the descriptor it writes to, if not standard error; it stays open.
pub fn register_stacks(py: Python<'_>, stacks: Option<i32>) -> PyResult<()> {
    let options = pyo3::types::PyDict::new(py);
    options.set_item("all_threads", true)?;
    options.set_item("chain", false)?;
    if let Some(stacks) = stacks {
        options.set_item("file", stacks)?;
    }
    let signal = crate::sys::signals::DUMP_STACKS.as_raw();
    match py
        .import("faulthandler")
        .and_then(|f| f.call_method("register", (signal,), Some(&options)))
    {
        Ok(_) => {}
        // No stderr (a daemon with closed descriptors): the worker runs without stack dumps.
        Err(error) => tracing::debug!(%error, "no stack dumps"),
    }
    Ok(())
}

/// The stack dumper's descriptor is about to be closed, and its signal gets its default action in a process that is forked.
pub fn unregister_stacks(py: Python<'_>) -> PyResult<()> {
    let signal = crate::sys::signals::DUMP_STACKS.as_raw();
    py.import("faulthandler")?
        .call_method1("unregister", (signal,))
        .map(drop)
}

/// Objects that exist once the app is loaded live as long as the process: later collections skip them.
pub fn freeze(py: Python<'_>) -> PyResult<()> {
    let gc = py.import("gc")?;
    gc.call_method0("collect")?;
    gc.call_method0("freeze").map(drop)
}

/// Flushes what the app has printed.
pub fn flush_stdio(py: Python<'_>) {
    for name in ["stdout", "stderr"] {
        // A closed or replaced stream is the app's choice.
        drop(
            py.import("sys")
                .and_then(|sys| sys.getattr(name))
                .and_then(|stream| stream.call_method0("flush")),
        );
    }
}
