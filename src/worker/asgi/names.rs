//! Python strings and bytes that every request needs, created once.

use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyString};

use crate::http::{Field, KNOWN_NAMES, Method, RequestHead};

pub struct AsgiNames {
    headers: Vec<Py<PyBytes>>,
    methods: [Py<PyString>; 8],
    pub empty: Py<PyBytes>,
}

impl AsgiNames {
    pub fn new(py: Python<'_>) -> Self {
        let text = |s: &str| PyString::intern(py, s).unbind();
        Self {
            headers: KNOWN_NAMES
                .iter()
                .map(|name| PyBytes::new(py, name.as_bytes()).unbind())
                .collect(),
            methods: [
                "GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE",
            ]
            .map(text),
            empty: PyBytes::new(py, b"").unbind(),
        }
    }

    pub fn header<'py>(&self, py: Python<'py>, field: &Field<'_>) -> Bound<'py, PyBytes> {
        match field
            .known
            .and_then(|known| self.headers.get(known as usize))
        {
            Some(name) => name.bind(py).clone(),
            None => PyBytes::new(py, field.name),
        }
    }

    pub fn method<'py>(&self, py: Python<'py>, head: &RequestHead) -> Bound<'py, PyString> {
        let index = match head.known_method() {
            Method::Get => 0,
            Method::Head => 1,
            Method::Post => 2,
            Method::Put => 3,
            Method::Delete => 4,
            Method::Options => 5,
            Method::Patch => 6,
            Method::Trace => 7,
            Method::Other => return PyString::new(py, head.method()),
        };
        self.methods[index].bind(py).clone()
    }

    pub fn bytes<'py>(&self, py: Python<'py>, bytes: &[u8]) -> Bound<'py, PyBytes> {
        if bytes.is_empty() {
            self.empty.bind(py).clone()
        } else {
            PyBytes::new(py, bytes)
        }
    }
}
