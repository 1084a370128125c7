//! The current Python stacks, as text.

use pyo3::prelude::*;

use super::Scripts;

/// The stacks of all threads and tasks, formatted by the calling thread.
pub struct StackFormatter {
    formatter: Py<PyAny>,
}

impl StackFormatter {
    pub fn new(py: Python<'_>, scripts: &Scripts) -> PyResult<Self> {
        let formatter = scripts.stacks.bind(py).getattr("tell")?.unbind();
        Ok(Self { formatter })
    }

    pub fn text(&self, py: Python<'_>) -> String {
        let text = self
            .formatter
            .call0(py)
            .and_then(|text| super::logged(text.bind(py)));
        text.unwrap_or_else(|error| format!("the stacks cannot be told: {error}"))
    }
}
