//! Keys of the environ and strings that every request needs, made once.

use pyo3::prelude::*;
use pyo3::types::PyString;

use crate::http::{KNOWN_NAMES, Method, RequestHead};
use crate::worker::python::latin1;

pub struct WsgiNames {
    /// By index of the known name.
    headers: Vec<Py<PyString>>,
    methods: [Py<PyString>; 8],
    pub empty: Py<PyString>,
    pub slash: Py<PyString>,
}

impl WsgiNames {
    pub fn new(py: Python<'_>) -> Self {
        let text = |s: &str| PyString::intern(py, s).unbind();
        Self {
            headers: KNOWN_NAMES
                .iter()
                .map(|name| {
                    text(
                        std::str::from_utf8(&variable(name.as_bytes()))
                            .expect("known names are ASCII"),
                    )
                })
                .collect(),
            methods: [
                "GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE",
            ]
            .map(text),
            empty: text(""),
            slash: text("/"),
        }
    }

    pub fn header<'py>(&self, py: Python<'py>, known: usize) -> Option<&Bound<'py, PyString>> {
        self.headers.get(known).map(|name| name.bind(py))
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

    /// A string of those bytes; the empty one and the root path are preallocated.
    pub fn text<'py>(&self, py: Python<'py>, bytes: &[u8]) -> Bound<'py, PyString> {
        match bytes {
            b"" => self.empty.bind(py).clone(),
            b"/" => self.slash.bind(py).clone(),
            _ => latin1(py, bytes),
        }
    }
}

/// `x-request-id` → `HTTP_X_REQUEST_ID`; except for the two that CGI names differently.
pub fn variable(name: &[u8]) -> Vec<u8> {
    match name {
        b"content-type" => return b"CONTENT_TYPE".to_vec(),
        b"content-length" => return b"CONTENT_LENGTH".to_vec(),
        _ => {}
    }
    let mut variable = Vec::with_capacity(name.len() + 5);
    variable.extend_from_slice(b"HTTP_");
    variable.extend(name.iter().map(|byte| match byte {
        b'-' => b'_',
        other => other.to_ascii_uppercase(),
    }));
    variable
}
