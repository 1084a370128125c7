//! The extensions that the http scope names.

use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::http::{RequestHead, Version};

/// The extensions offered to apps, created once: a request gets a copy, whose values (empty dicts) are shared.
pub struct Offers {
    http10: Py<PyDict>,
    http11: Py<PyDict>,
}

impl Offers {
    /// `pathsend`: only if configured, since frameworks use it by themselves (Starlette's `FileResponse`) and
    /// middleware that does not know the message loses the response.
    pub fn new(py: Python<'_>, pathsend: bool) -> PyResult<Self> {
        let http10 = PyDict::new(py);
        if pathsend {
            http10.set_item("http.response.pathsend", PyDict::new(py))?;
        }
        http10.set_item("http.response.zerocopysend", PyDict::new(py))?;
        // HTTP/1.0 has neither chunks nor interim responses.
        let http11 = http10.copy()?;
        http11.set_item("http.response.trailers", PyDict::new(py))?;
        http11.set_item("http.response.early_hint", PyDict::new(py))?;
        Ok(Self {
            http10: http10.unbind(),
            http11: http11.unbind(),
        })
    }

    pub fn of<'py>(&self, py: Python<'py>, head: &RequestHead) -> PyResult<Bound<'py, PyDict>> {
        let offer = match head.version() {
            Version::Http10 => &self.http10,
            Version::Http11 | Version::Http2 => &self.http11,
        };
        offer.bind(py).copy()
    }
}
