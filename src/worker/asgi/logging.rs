//! Lines that our Python scripts write to the error log.

use pyo3::prelude::*;
use pyo3::types::{PyCFunction, PyDict, PyTuple};

/// `log(level, message, error=None)`.
pub fn function(py: Python<'_>) -> PyResult<Bound<'_, PyCFunction>> {
    PyCFunction::new_closure(
        py,
        Some(c"log"),
        None,
        |args: &Bound<'_, PyTuple>, _: Option<&Bound<'_, PyDict>>| -> PyResult<()> {
            let level: String = args.get_item(0)?.extract()?;
            let message: String = args.get_item(1)?.extract()?;
            let traceback = match args.get_item(2) {
                Ok(error) => traceback_of(&error)?,
                Err(_) => String::new(),
            };
            match level.as_str() {
                "debug" => tracing::debug!("{message}"),
                "info" => tracing::info!("{message}"),
                "warning" => tracing::warn!("{message}"),
                _ if traceback.is_empty() => tracing::error!("{message}"),
                _ => tracing::error!(traceback, "{message}"),
            }
            Ok(())
        },
    )
}

fn traceback_of(error: &Bound<'_, PyAny>) -> PyResult<String> {
    let py = error.py();
    let lines = py.import("traceback")?.call_method1(
        "format_exception",
        (error.get_type(), error, error.getattr("__traceback__")?),
    )?;
    lines
        .try_iter()?
        .map(|line| line?.extract::<String>())
        .collect()
}
