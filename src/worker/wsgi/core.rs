//! State on the Python side that all requests of a WSGI worker share.

use std::sync::Arc;

use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString};

use super::errors::Errors;
use super::file_wrapper::FileWrapper;
use super::input::Input;
use super::names::WsgiNames;
use super::thread_pool::ThreadPool;
use crate::worker::WorkerContext;
use crate::worker::garbage::Garbage;
use crate::worker::python::{Scripts, StackFormatter, latin1};

pub struct WsgiCore {
    pub context: Arc<WorkerContext>,
    pub thread_pool: Arc<ThreadPool>,
    pub app: Py<PyAny>,
    pub names: WsgiNames,
    /// The environ without the items of a connection or a request.
    pub template: Py<PyDict>,
    pub format_error: Py<PyAny>,
    /// The class of `gunicorn.socket`.
    pub client_socket: Py<PyAny>,
    pub stacks: StackFormatter,
    pub garbage: Garbage,
}

impl WsgiCore {
    pub fn new(
        py: Python<'_>,
        thread_pool: Arc<ThreadPool>,
        scripts: &Scripts,
        app: Py<PyAny>,
    ) -> PyResult<Self> {
        let context = thread_pool.context.clone();
        Ok(Self {
            template: template(py, &context)?.unbind(),
            garbage: Garbage::attend(py, &context.net)?,
            context,
            thread_pool,
            app,
            names: WsgiNames::new(py),
            stacks: StackFormatter::new(py, scripts)?,
            client_socket: scripts.sockets.bind(py).getattr("ClientSocket")?.unbind(),
            format_error: scripts.boot.bind(py).getattr("format_error")?.unbind(),
        })
    }

    /// Whether that listener is a unix socket, without a port.
    pub fn is_unix(&self, listener: usize) -> bool {
        self.context
            .addresses
            .get(listener)
            .is_none_or(|(_, port)| port.is_none())
    }
}

fn template<'py>(py: Python<'py>, context: &WorkerContext) -> PyResult<Bound<'py, PyDict>> {
    let settings = &context.net.settings;
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
    environ.set_item(
        key("SCRIPT_NAME"),
        latin1(py, settings.root_path.as_bytes()),
    )?;
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
