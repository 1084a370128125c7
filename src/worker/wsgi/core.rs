//! State on the Python side that all requests of a WSGI worker share.

use std::sync::Arc;

use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString};

use super::crew::Crew;
use super::errors::Errors;
use super::file_wrapper::FileWrapper;
use super::input::Input;
use super::names::Names;
use crate::worker::Office;
use crate::worker::python::{Scripts, Stacks};

pub struct Core {
    pub office: Arc<Office>,
    pub crew: Arc<Crew>,
    pub app: Py<PyAny>,
    pub names: Names,
    /// The environ without the items of a connection or a request.
    pub template: Py<PyDict>,
    pub format_error: Py<PyAny>,
    /// The class of `gunicorn.socket`.
    pub client_socket: Py<PyAny>,
    pub stacks: Stacks,
}

impl Core {
    pub fn new(
        py: Python<'_>,
        crew: Arc<Crew>,
        scripts: &Scripts,
        app: Py<PyAny>,
    ) -> PyResult<Self> {
        let office = crew.office.clone();
        Ok(Self {
            template: template(py, &office)?.unbind(),
            office,
            crew,
            app,
            names: Names::new(py),
            stacks: Stacks::new(py, scripts)?,
            client_socket: scripts.sockets.bind(py).getattr("ClientSocket")?.unbind(),
            format_error: scripts.boot.bind(py).getattr("format_error")?.unbind(),
        })
    }

    /// Whether that listener is a unix socket, without a port.
    pub fn is_unix(&self, listener: usize) -> bool {
        self.office
            .addresses
            .get(listener)
            .is_none_or(|(_, port)| port.is_none())
    }
}

fn template<'py>(py: Python<'py>, office: &Office) -> PyResult<Bound<'py, PyDict>> {
    let settings = &office.net.settings;
    let environ = PyDict::new(py);
    let key = |name: &str| PyString::intern(py, name);
    // First the keys that each request sets: the copied dict's table then has slots for them.
    for name in [
        "REQUEST_METHOD",
        "RAW_URI",
        "REQUEST_URI",
        "PATH_INFO",
        "QUERY_STRING",
    ] {
        environ.set_item(key(name), "")?;
    }
    environ.set_item(key("SCRIPT_NAME"), PyString::new(py, &settings.root_path))?;
    environ.set_item(key("SERVER_PROTOCOL"), "HTTP/1.1")?;
    let software = concat!("rgun/", env!("CARGO_PKG_VERSION"));
    environ.set_item(key("SERVER_SOFTWARE"), software)?;
    for name in ["SERVER_NAME", "SERVER_PORT", "REMOTE_ADDR", "REMOTE_PORT"] {
        environ.set_item(key(name), "")?;
    }
    environ.set_item(key("wsgi.version"), (1, 0))?;
    environ.set_item(key("wsgi.url_scheme"), "http")?;
    environ.set_item(key("wsgi.input"), Input::empty(py)?)?;
    environ.set_item(key("wsgi.input_terminated"), true)?;
    environ.set_item(key("wsgi.errors"), Bound::new(py, Errors::default())?)?;
    environ.set_item(key("wsgi.multithread"), settings.threads > 1)?;
    environ.set_item(key("wsgi.multiprocess"), settings.most_workers() > 1)?;
    environ.set_item(key("wsgi.run_once"), false)?;
    environ.set_item(key("wsgi.file_wrapper"), py.get_type::<FileWrapper>())?;
    environ.set_item(key("wsgi.early_hints"), py.None())?;
    Ok(environ)
}
