//! The parts of the worker that are written in Python, compiled into this library.

use std::ffi::CStr;

use pyo3::prelude::*;
use pyo3::types::PyModule;

/// Our modules in this interpreter. They are not importable, so that no app depends on them.
pub struct Scripts {
    /// Loading the app and detecting its protocol.
    pub boot: Py<PyModule>,
    /// Knowledge about frameworks.
    pub framework: Py<PyModule>,
    /// Event loops, lifespan, drain.
    pub serve: Py<PyModule>,
    /// gunicorn's loggers, and Python's logging.
    pub logs: Py<PyModule>,
    /// The stacks of threads and tasks.
    pub stacks: Py<PyModule>,
    /// The client's socket for WSGI apps.
    pub sockets: Py<PyModule>,
}

impl Scripts {
    pub fn new(py: Python<'_>) -> PyResult<Self> {
        super::without_project(py, &[], || Self::load(py))
    }

    #[must_use]
    pub fn again(&self, py: Python<'_>) -> Self {
        let Self {
            boot,
            framework,
            serve,
            logs,
            stacks,
            sockets,
        } = self;
        Self {
            boot: boot.clone_ref(py),
            framework: framework.clone_ref(py),
            serve: serve.clone_ref(py),
            logs: logs.clone_ref(py),
            stacks: stacks.clone_ref(py),
            sockets: sockets.clone_ref(py),
        }
    }

    fn load(py: Python<'_>) -> PyResult<Self> {
        let boot = module(
            py,
            concat_nul(concat!(include_str!("boot.py"), "\0")),
            c"<rgun boot>",
            c"_rgun_boot",
        )?;
        let framework = module(
            py,
            concat_nul(concat!(include_str!("framework.py"), "\0")),
            c"<rgun framework>",
            c"_rgun_framework",
        )?;
        let serve = module(
            py,
            concat_nul(concat!(include_str!("serve.py"), "\0")),
            c"<rgun serve>",
            c"_rgun_serve",
        )?;
        let logs = module(
            py,
            concat_nul(concat!(include_str!("logs.py"), "\0")),
            c"<rgun logs>",
            c"_rgun_logs",
        )?;
        let stacks = module(
            py,
            concat_nul(concat!(include_str!("stacks.py"), "\0")),
            c"<rgun stacks>",
            c"_rgun_stacks",
        )?;
        let sockets = module(
            py,
            concat_nul(concat!(include_str!("sockets.py"), "\0")),
            c"<rgun sockets>",
            c"_rgun_sockets",
        )?;
        Ok(Self {
            boot,
            framework,
            serve,
            logs,
            stacks,
            sockets,
        })
    }
}

/// Only for development.
pub(super) fn watched(py: Python<'_>) -> PyResult<Py<PyModule>> {
    module(
        py,
        concat_nul(concat!(include_str!("watched.py"), "\0")),
        c"<rgun watched>",
        c"_rgun_watched",
    )
}

/// Only for `--gc idle`.
pub(super) fn garbage(py: Python<'_>) -> PyResult<Py<PyModule>> {
    module(
        py,
        concat_nul(concat!(include_str!("garbage.py"), "\0")),
        c"<rgun garbage>",
        c"_rgun_garbage",
    )
}

/// Only for molds.
pub fn mold(py: Python<'_>) -> PyResult<Py<PyModule>> {
    super::without_project(py, &[], || {
        module(
            py,
            concat_nul(concat!(include_str!("mold.py"), "\0")),
            c"<rgun mold>",
            c"_rgun_mold",
        )
    })
}

fn concat_nul(text: &'static str) -> &'static CStr {
    CStr::from_bytes_with_nul(text.as_bytes())
        .expect("the scripts contain no NUL but the last byte")
}

fn module(py: Python<'_>, code: &CStr, file: &CStr, name: &CStr) -> PyResult<Py<PyModule>> {
    let module = PyModule::from_code(py, code, file, name)?;
    // `from_code` leaves it in sys.modules, where it must not be found.
    py.import("sys")?
        .getattr("modules")?
        .call_method1("pop", (module.name()?, py.None()))?;
    Ok(module.unbind())
}
