//! Log lines of our Python scripts, for the error log.

use pyo3::prelude::*;
use pyo3::types::{PyCFunction, PyDict, PyTuple};

use crate::worker::python::{Scripts, logged};

/// `log(level, message, error=None)`; with an error, its traceback.
pub fn function<'py>(py: Python<'py>, scripts: &Scripts) -> PyResult<Bound<'py, PyCFunction>> {
    let format_error = scripts.boot.bind(py).getattr("format_error")?.unbind();
    PyCFunction::new_closure(
        py,
        Some(c"log"),
        None,
        move |args: &Bound<'_, PyTuple>, _: Option<&Bound<'_, PyDict>>| -> PyResult<()> {
            let level: String = args.get_item(0)?.extract()?;
            let message = logged(&args.get_item(1)?)?;
            let traceback = match args.get_item(2) {
                Ok(error) => logged(format_error.call1(args.py(), (error,))?.bind(args.py()))?,
                Err(_) => String::new(),
            };
            match level.as_str() {
                "debug" => tracing::debug!("{message}"),
                "info" => tracing::info!("{message}"),
                "warning" if traceback.is_empty() => tracing::warn!("{message}"),
                "warning" => tracing::warn!(traceback, "{message}"),
                _ if traceback.is_empty() => tracing::error!("{message}"),
                _ => tracing::error!(traceback, "{message}"),
            }
            Ok(())
        },
    )
}
