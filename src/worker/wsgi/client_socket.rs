//! `environ["gunicorn.socket"]`: simple-websocket takes over the connection through it, and so do flask-sock and
//! Flask-SocketIO.

use std::os::fd::IntoRawFd;

use pyo3::exceptions::PyOSError;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyCFunction, PyDict, PyTuple};

use super::core::WsgiCore;
use super::thread::Thread;
use super::thread_pool::WAITS;
use crate::http::{KnownName, RequestHead};
use crate::worker::exchange::Exchange;

/// Whether the client asks for another protocol: only then the environ gets the socket, which costs time.
pub fn is_wanted(head: &RequestHead) -> bool {
    head.header(KnownName::Upgrade).is_some()
}

/// The socket is handed over when the app uses it. From then on its thread may stay in the request for as long as it
/// needs, and does not count as stuck.
pub fn offer(
    core: &WsgiCore,
    environ: &Bound<'_, PyDict>,
    exchange: &Exchange,
    thread: &Thread,
) -> PyResult<()> {
    let py = environ.py();
    let (exchange, thread) = (exchange.clone(), thread.clone());
    let take = PyCFunction::new_closure(
        py,
        Some(c"take"),
        None,
        move |args: &Bound<'_, PyTuple>, _: Option<&Bound<'_, PyDict>>| {
            let py = args.py();
            let Some((fd, read)) = exchange.hand_over() else {
                return Err(PyOSError::new_err(
                    "the connection cannot be taken: the response has begun, or the client has left",
                ));
            };
            thread.thread_pool.set_progress(thread.number, WAITS);
            Ok((fd.into_raw_fd(), PyBytes::new(py, &read).unbind()))
        },
    )?;
    let socket = core.client_socket.bind(py).call1((take,))?;
    environ.set_item(intern!(py, "gunicorn.socket"), socket)
}
