//! A Python configuration file and its hooks: those of gunicorn's master in a mold, those of workers in each worker.

use std::ffi::CString;

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyModule;

use crate::config::{HOOKS, Settings};
use crate::observability;

/// Called when the worker is ordered to stop fast; set once, a worker has one interpreter.
static INTERRUPT: OnceLock<Py<PyAny>> = OnceLock::new();
static INTERRUPTED: AtomicBool = AtomicBool::new(false);
/// `worker_abort` was called, and the code in the main thread was ordered to exit.
static ABORTED: AtomicBool = AtomicBool::new(false);
static LEAVES: AtomicBool = AtomicBool::new(false);

/// Calls `worker_int`, before anything is cancelled: the hook can still inspect what runs.
pub fn tell_interrupt(py: Python<'_>) {
    let Some(object) = INTERRUPT.get() else {
        return;
    };
    if !INTERRUPTED.swap(true, SeqCst) {
        try_to_call(py, object, "worker_int");
    }
}

/// Whether `tell_interrupt` has a hook to call.
pub fn interrupt_is_heard() -> bool {
    INTERRUPT.get().is_some() && !INTERRUPTED.load(SeqCst)
}

fn try_to_call(py: Python<'_>, object: &Py<PyAny>, name: &str) {
    if let Err(error) = object.bind(py).call_method1("try_to_call", (name,)) {
        tracing::error!(%error, name, "hook not called");
    }
}

/// A configuration file that was run, and the hooks of gunicorn's master.
pub struct Hooks {
    arbiter: Py<PyAny>,
    program: Py<PyModule>,
    interrupts: bool,
}

impl Hooks {
    /// Runs the file. `None`: there is none, or it only sets values. `load_app`: what `server.app.wsgi()` calls.
    ///
    /// # Errors
    /// What the file raises.
    pub fn load(
        py: Python<'_>,
        settings: &Settings,
        master: i32,
        load_app: impl FnOnce() -> PyResult<Py<PyAny>>,
    ) -> PyResult<Option<Self>> {
        let Some(hooks) = &settings.hooks else {
            return Ok(None);
        };
        let program = script(py, settings)?;
        let arbiter = program.call_method1(
            "Arbiter",
            (
                hooks.location.as_str(),
                // A path would be a `pathlib.Path`, which `sys.path` must not have.
                hooks.directory.as_os_str(),
                hooks.cfg.as_str(),
                master,
                wrap_pyfunction!(count, py)?,
                load_app()?,
            ),
        )?;
        Ok(Some(Self {
            arbiter: arbiter.unbind(),
            program: program.unbind(),
            interrupts: hooks.has("worker_int"),
        }))
    }

    /// `on_starting` and `when_ready`, or `on_reload`; `message`: as sent by the master.
    ///
    /// # Errors
    /// Python's; what a hook raises is logged.
    pub fn start(&self, py: Python<'_>, message: &str) -> PyResult<()> {
        self.arbiter
            .call_method1(py, "start", (parsed(py, message)?,))
            .map(drop)
    }

    /// Once the loggers are set up: logs what the file changes without effect.
    ///
    /// # Errors
    /// Python's.
    pub fn warn(&self, py: Python<'_>) -> PyResult<()> {
        self.arbiter.call_method0(py, "warn").map(drop)
    }

    /// The first `nworkers_changed`, before the app is loaded.
    ///
    /// # Errors
    /// As `start`.
    pub fn begin(&self, py: Python<'_>, message: &str) -> PyResult<()> {
        self.arbiter
            .call_method1(py, "begin", (parsed(py, message)?,))
            .map(drop)
    }

    /// # Errors
    /// As `start`.
    pub fn take(&self, py: Python<'_>, message: &str) -> PyResult<()> {
        self.arbiter.call_method1(py, "take", (message,)).map(drop)
    }

    /// # Errors
    /// As `start`.
    pub fn pre_fork(&self, py: Python<'_>, age: u64) -> PyResult<()> {
        self.arbiter.call_method1(py, "pre_fork", (age,)).map(drop)
    }

    /// In the mold, with the pid of the worker.
    ///
    /// # Errors
    /// As `start`.
    pub fn forked(&self, py: Python<'_>, pid: i32) -> PyResult<()> {
        self.arbiter.call_method1(py, "forked", (pid,)).map(drop)
    }

    /// This process is the worker, without a fork.
    ///
    /// # Errors
    /// As `start`.
    pub fn alone(&self, py: Python<'_>, age: u64) -> PyResult<()> {
        self.arbiter.call_method1(py, "alone", (age,)).map(drop)
    }

    /// `server.app.wsgi()`
    ///
    /// # Errors
    /// What the app raises.
    pub fn app(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        self.arbiter
            .getattr(py, "server")?
            .getattr(py, "app")?
            .call_method0(py, "wsgi")
    }

    /// Whether the file removes the field `Server` from responses, by a class in place of gunicorn's Response.
    ///
    /// # Errors
    /// Python's.
    pub fn hides_server(&self, py: Python<'_>) -> PyResult<bool> {
        let hides = self.arbiter.call_method0(py, "hides_server")?;
        hides.extract(py)
    }

    /// Returns the hooks for the worker that this process is.
    ///
    /// # Errors
    /// Python's.
    pub fn in_worker(self, py: Python<'_>) -> PyResult<WorkerHooks> {
        let abort = wrap_pyfunction!(abort, py)?;
        let leaves = wrap_pyfunction!(leaves, py)?;
        let object = self
            .program
            .call_method1(py, "InWorker", (&self.arbiter, abort, leaves))?;
        object.call_method0(py, "catch_abort")?;
        if self.interrupts {
            drop(INTERRUPT.set(object.clone_ref(py)));
        }
        Ok(WorkerHooks { object })
    }
}

fn parsed<'py>(py: Python<'py>, message: &str) -> PyResult<Bound<'py, PyAny>> {
    py.import("json")?.call_method1("loads", (message,))
}

/// The hooks of one worker, ready to be called.
pub struct WorkerHooks {
    object: Py<PyAny>,
}

impl WorkerHooks {
    /// # Errors
    /// What the hook raises.
    pub fn call(&self, py: Python<'_>, name: &str) -> PyResult<()> {
        self.object.bind(py).call_method1("call", (name,)).map(drop)
    }

    /// What it raises is logged.
    pub fn try_to_call(&self, py: Python<'_>, name: &str) {
        try_to_call(py, &self.object, name);
    }

    /// `server.app.wsgi()`
    ///
    /// # Errors
    /// What the app raises.
    pub fn app(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        self.object.call_method0(py, "app")
    }

    /// `post_worker_init`: the app that is to be called from here on.
    ///
    /// # Errors
    /// What the hook raises.
    pub fn initialise(&self, py: Python<'_>, app: &Py<PyAny>) -> PyResult<Py<PyAny>> {
        self.object.call_method1(py, "initialise", (app,))
    }

    /// The app wrapped with the request hooks; the app itself where there are none.
    ///
    /// # Errors
    /// Python's.
    pub fn around(&self, py: Python<'_>, app: &Py<PyAny>, is_asgi: bool) -> PyResult<Py<PyAny>> {
        let app = self.object.bind(py).call_method1("wrap", (app, is_asgi))?;
        Ok(app.unbind())
    }
}

/// The script that reads a configuration file and calls its hooks.
///
/// # Errors
/// Python's.
pub(super) fn script<'py>(py: Python<'py>, settings: &Settings) -> PyResult<Bound<'py, PyModule>> {
    let program = CString::new(HOOKS).map_err(|error| PyValueError::new_err(error.to_string()))?;
    super::without_project(py, &settings.pythonpath, || {
        PyModule::from_code(py, &program, c"<rgun script>", c"_rgun_script")
    })
}

#[pyfunction]
fn abort() {
    ABORTED.store(true, SeqCst);
}

#[pyfunction]
fn leaves() {
    LEAVES.store(true, SeqCst);
}

/// Whether a hook has ended this worker, by `worker.alive` or `worker.max_requests`.
pub fn is_ended_by_hook() -> bool {
    LEAVES.load(SeqCst)
}

/// Whether this worker was aborted because it hung: it exits whatever its main thread does next.
pub fn is_aborted() -> bool {
    ABORTED.load(SeqCst)
}

/// Counts a message of a hook, which gunicorn's logger gets.
#[pyfunction]
fn count(level: i64, has_traceback: bool) {
    observability::count_from_python(level, has_traceback);
}
