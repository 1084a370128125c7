//! Where Python is at this moment, as text. It tells nobody.

use pyo3::prelude::*;

use super::Scripts;

/// The stacks of all threads and tasks, told by the one that calls.
pub struct Stacks {
    tell: Py<PyAny>,
}

impl Stacks {
    pub fn new(py: Python<'_>, scripts: &Scripts) -> PyResult<Self> {
        let tell = scripts.stacks.bind(py).getattr("tell")?.unbind();
        Ok(Self { tell })
    }

    pub fn text(&self, py: Python<'_>) -> String {
        let told = self
            .tell
            .call0(py)
            .and_then(|text| text.extract::<String>(py));
        told.unwrap_or_else(|error| format!("the stacks cannot be told: {error}"))
    }
}
