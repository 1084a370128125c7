//! The worker's hooks of a configuration file: loaded only where it has some. It does not decide when one is called.

use std::ffi::CString;

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyModule;

use crate::config::{PROGRAM, Settings};
use crate::observability::CRITICAL;

/// Those that run in workers.
const IN_WORKER: [&str; 7] = [
    "post_fork",
    "post_worker_init",
    "worker_int",
    "worker_abort",
    "worker_exit",
    "pre_request",
    "post_request",
];

/// What is called when the worker is told to stop fast; set once, a worker has one interpreter.
static INTERRUPT: OnceLock<Py<PyAny>> = OnceLock::new();
static INTERRUPTED: AtomicBool = AtomicBool::new(false);
/// `worker_abort` was called, and what runs in the main thread has been told to end.
static ABORTED: AtomicBool = AtomicBool::new(false);

/// `worker_int`, before anything is cancelled: what runs is still there for it to look at.
pub fn tell_interrupt(py: Python<'_>) {
    let Some(object) = INTERRUPT.get() else {
        return;
    };
    if !INTERRUPTED.swap(true, SeqCst) {
        try_to_call(py, object, "worker_int");
    }
}

/// Whether `tell_interrupt` has something to do.
pub fn interrupt_is_heard() -> bool {
    INTERRUPT.get().is_some() && !INTERRUPTED.load(SeqCst)
}

fn try_to_call(py: Python<'_>, object: &Py<PyAny>, name: &str) {
    if let Err(error) = object.bind(py).call_method1("try_to_call", (name,)) {
        tracing::error!(%error, name, "hook not called");
    }
}

/// Loaded, and ready to be called.
pub struct Hooks {
    object: Py<PyAny>,
}

impl Hooks {
    /// `None`: the file has none, and is not loaded. `age`: how many workers were started up to this one.
    ///
    /// # Errors
    /// What the file raises.
    pub fn load(
        py: Python<'_>,
        settings: &Settings,
        master: i32,
        age: u64,
    ) -> PyResult<Option<Self>> {
        let Some(hooks) = &settings.hooks else {
            return Ok(None);
        };
        if !IN_WORKER.iter().any(|name| hooks.has(name)) {
            return Ok(None);
        }
        let module = script(py, settings)?;
        let object = module.call_method1(
            "InWorker",
            (
                hooks.location.as_str(),
                hooks.directory.as_path(),
                hooks.cfg.as_str(),
                master,
                age,
                wrap_pyfunction!(log, py)?,
                wrap_pyfunction!(abort, py)?,
            ),
        )?;
        object.call_method0("catch_abort")?;
        if hooks.has("worker_int") {
            drop(INTERRUPT.set(object.clone().unbind()));
        }
        Ok(Some(Self {
            object: object.unbind(),
        }))
    }

    /// # Errors
    /// What the hook raises.
    pub fn call(&self, py: Python<'_>, name: &str) -> PyResult<()> {
        self.object.bind(py).call_method1("call", (name,)).map(drop)
    }

    /// What it raises is logged.
    pub fn try_to_call(&self, py: Python<'_>, name: &str) {
        try_to_call(py, &self.object, name);
    }

    /// The app with the hooks of requests around it; the app itself where there are none.
    ///
    /// # Errors
    /// Python's.
    pub fn around(&self, py: Python<'_>, app: &Py<PyAny>, is_asgi: bool) -> PyResult<Py<PyAny>> {
        let app = self.object.bind(py).call_method1("wrap", (app, is_asgi))?;
        Ok(app.unbind())
    }
}

/// The program that reads a configuration file and calls its hooks.
///
/// # Errors
/// Python's.
pub(super) fn script<'py>(py: Python<'py>, settings: &Settings) -> PyResult<Bound<'py, PyModule>> {
    let program =
        CString::new(PROGRAM).map_err(|error| PyValueError::new_err(error.to_string()))?;
    super::without_project(py, &settings.pythonpath, || {
        PyModule::from_code(py, &program, c"<rgun script>", c"_rgun_script")
    })
}

#[pyfunction]
fn abort() {
    ABORTED.store(true, SeqCst);
}

/// Whether the master had this worker end because it hung: whatever its main thread does next, it leaves.
pub fn is_aborted() -> bool {
    ABORTED.load(SeqCst)
}

/// A line of a hook's in the server's log.
#[pyfunction]
fn log(level: &str, message: &str, traceback: Option<&str>) {
    let traceback = traceback.filter(|text| !text.is_empty());
    match level {
        "debug" => tracing::debug!(traceback, "{message}"),
        "info" => tracing::info!(traceback, "{message}"),
        "warning" => tracing::warn!(traceback, "{message}"),
        "critical" => tracing::error!(target: CRITICAL, traceback, "{message}"),
        _ => tracing::error!(traceback, "{message}"),
    }
}
