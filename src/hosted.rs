//! The hosted entry: the extension module `rgun._rgun`, in an interpreter that is already running.

mod announcement;
mod origin;

use std::cell::Cell;
use std::ffi::OsString;
use std::os::fd::{OwnedFd, RawFd};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use pyo3::prelude::*;

use crate::cli::{self, Artifact, EntryError, EntryPoint};
use crate::config::{Occurs, Settings, ValueType, definitions};
use crate::master::{Host, Launch, MoldChild, WorkerInit};
use crate::sys::daemon::open_stdio;
use crate::sys::{Listener, duplicate};
use crate::worker;
use announcement::StartAnnouncement;
use origin::HostedOrigin;

struct Hosted {
    version: String,
    /// `sys.executable`.
    python: PathBuf,
    /// How it is started again.
    origin: HostedOrigin,
    /// Why this process is to serve by itself.
    reason: Option<String>,
    /// The app that it then serves; otherwise the one that the settings name.
    app: Option<Py<PyAny>>,
    announcement: StartAnnouncement,
    /// Readable once serving has to end.
    leave: Cell<Option<OwnedFd>>,
}

impl Host for Hosted {
    fn before_fork(&self) {
        worker::python::before_fork();
    }
    fn after_fork_parent(&self) {
        worker::python::after_fork_parent();
    }
    fn after_fork_child(&self) {
        worker::python::after_fork_child();
    }
    fn before_identity(&self) {
        Python::attach(worker::python::preload_stdlib);
    }
    fn listening(&self, addresses: &[String]) {
        self.announcement.print(addresses);
    }
    fn python_executable(&self) -> Option<PathBuf> {
        Some(self.python.clone())
    }
    fn successor(&self) -> Option<Launch> {
        self.origin.successor(&self.python)
    }
    fn itself(&self) -> Option<Launch> {
        self.origin.itself(&self.python)
    }
    fn run_mold(&self, mold: MoldChild) -> u8 {
        Python::attach(|py| worker::run_mold(py, mold))
    }
    fn run_worker(&self, worker_init: WorkerInit) -> u8 {
        Python::attach(|py| worker::run(py, worker_init))
    }
}

impl EntryPoint for Hosted {
    fn artifact(&self) -> Artifact {
        Artifact::Wheel
    }

    fn python(&self, _setting: Option<&Path>) -> Result<PathBuf, EntryError> {
        Ok(self.python.clone())
    }

    fn interpreter(&self) -> String {
        self.version.clone()
    }
    fn check(&self, settings: &Arc<Settings>) -> Result<String, u8> {
        Python::attach(|py| worker::check(py, settings))
    }

    fn in_process(&self) -> Option<&str> {
        self.reason.as_deref()
    }

    fn serve_here(&self, settings: &Arc<Settings>, listeners: Vec<Listener>) -> u8 {
        Python::attach(|py| {
            let app = self.app.as_ref().map(|app| app.clone_ref(py));
            worker::serve_here(py, settings, listeners, app, self.leave.take())
        })
    }
}

/// Runs the program with these arguments (without its name); returns the exit code, in the master as in each worker.
///
/// `reason`: why it is to serve in this process instead of forking workers; `app`: the object that it then serves; `leave`: a
/// descriptor that is readable once the server is to end.
#[pyfunction]
#[pyo3(signature = (arguments, reason=None, app=None, leave=None))]
fn main(
    py: Python<'_>,
    arguments: Vec<OsString>,
    reason: Option<String>,
    app: Option<Py<PyAny>>,
    leave: Option<RawFd>,
) -> PyResult<u8> {
    // As the runtime of Rust's own programs does. Without /dev/null they stay as they are.
    drop(open_stdio());
    let leave = leave.map(duplicate).transpose()?;
    let version = py.version_info();
    // Keeps the GIL: the master is the only thread, and must hold it to fork.
    let origin = HostedOrigin::of_this_process(py, arguments.clone());
    Ok(cli::main(
        arguments,
        &Hosted {
            origin,
            reason,
            app,
            announcement: StartAnnouncement::of_this_process(),
            leave: Cell::new(leave),
            python: py
                .import("sys")
                .and_then(|sys| sys.getattr("executable")?.extract())
                .unwrap_or_default(),
            version: format!(
                "CPython {}.{}.{}",
                version.major, version.minor, version.patch
            ),
        },
    ))
}

/// Every setting, for code that makes a command line in Python: name, option without dashes, its letter, whether it may be
/// repeated, the type of its value, and the help.
#[pyfunction]
fn settings() -> Vec<Described> {
    definitions()
        .map(|definition| {
            let shape = match definition.kind {
                ValueType::Switch => "switch",
                ValueType::List => "list",
                ValueType::Pairs => "pairs",
                ValueType::Json => "json",
                ValueType::Text
                | ValueType::TextOrTable
                | ValueType::Named
                | ValueType::Path
                | ValueType::Number
                | ValueType::Duration
                | ValueType::Size
                | ValueType::Mask
                | ValueType::Choice(_) => "text",
            };
            (
                definition.name,
                definition.long.filter(|_| definition.is_option()),
                definition.short,
                definition.occurs == Occurs::Repeatedly,
                shape,
                definition.help,
            )
        })
        .collect()
}

/// Names of gunicorn's settings and ours, and their defaults.
#[pyfunction]
fn known_settings() -> Vec<(&'static str, Option<&'static str>)> {
    crate::config::known_settings().collect()
}

type Described = (
    &'static str,
    Option<&'static str>,
    Option<char>,
    bool,
    &'static str,
    &'static str,
);

// Not tested without the GIL: a free-threaded interpreter turns it on when it imports this.
#[pymodule(gil_used = true)]
fn _rgun(module: &Bound<'_, PyModule>) -> PyResult<()> {
    let py = module.py();
    module.add_function(wrap_pyfunction!(main, module)?)?;
    module.add_function(wrap_pyfunction!(settings, module)?)?;
    module.add_function(wrap_pyfunction!(known_settings, module)?)?;
    module.add("__version__", env!("CARGO_PKG_VERSION"))?;
    module.add(
        "ClientDisconnected",
        py.get_type::<worker::ClientDisconnected>(),
    )
}
