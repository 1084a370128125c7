//! Development: reports the app's files to the watcher.

use std::os::fd::{IntoRawFd, OwnedFd};

use pyo3::prelude::*;

use super::scripts;

/// Reports what is loaded; without `--reload` it does nothing.
pub struct Watched(Option<Py<PyAny>>);

impl Watched {
    /// Called before the app is imported. `loaded_files` stays open for as long as the process lives.
    pub fn new(py: Python<'_>, loaded_files: Option<OwnedFd>) -> PyResult<Self> {
        let Some(loaded_files) = loaded_files else {
            return Ok(Self(None));
        };
        let module = scripts::watched(py)?;
        let module = module.bind(py);
        module.call_method0("keep_no_fresh_bytecode")?;
        let reporter = module.call_method1("Reporter", (loaded_files.into_raw_fd(),))?;
        Ok(Self(Some(reporter.unbind())))
    }

    /// The app is loaded; later imports are reported, too.
    pub fn start(&self, py: Python<'_>) {
        if let Some(reporter) = &self.0 {
            complain(reporter.call_method0(py, "start"));
        }
    }

    /// Loading the app has failed.
    pub fn tell_failure(&self, py: Python<'_>, error: &PyErr) {
        if let Some(reporter) = &self.0 {
            complain(reporter.call_method1(py, "tell_failure", (super::exception(py, error),)));
        }
    }
}

/// The project's own files are watched all the same.
fn complain(result: PyResult<Py<PyAny>>) {
    if let Err(error) = result {
        tracing::warn!(%error, "the watcher does not know all files of the app");
    }
}
