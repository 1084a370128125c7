//! What `receive()` returns when there is nothing yet: the wait for it, without a frame of Python's.
//! It has a coroutine's methods, as `awaitable`'s have.

use pyo3::exceptions::PyStopIteration;
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::intern;
use pyo3::prelude::*;

use super::awaitable::thrown;
use super::call::Call;
use super::core::Side;
use super::websocket::SocketCall;
use crate::worker::python::{Collected, track};

/// Whose message is awaited.
pub enum Source {
    Http(Collected<Call>),
    WebSocket(Collected<SocketCall>),
}

/// `await` gives the next message.
#[pyclass(frozen, module = "rgun", freelist = 128)]
pub struct Waiting {
    source: Source,
}

/// An awaitable for the next message.
pub fn receive(py: Python<'_>, source: Source) -> PyResult<Bound<'_, PyAny>> {
    Ok(track(Bound::new(py, Waiting { source })?).into_any())
}

impl Waiting {
    /// The message, as the end of the wait; else a future to be awaited before the next look.
    fn step<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let (event, core, key) = match &self.source {
            Source::Http(call) => {
                let call = call.bind(py)?;
                let this = call.get();
                (Call::poll(&call)?, this.core.clone(), this.exchange.key())
            }
            Source::WebSocket(call) => {
                let call = call.bind(py)?;
                let this = call.get();
                let key = this.socket.exchange.key();
                (SocketCall::poll(&call)?, this.core.clone(), key)
            }
        };
        if let Some(event) = event {
            return Err(PyStopIteration::new_err((event.unbind(),)));
        }
        let future = core.new_future(py)?;
        core.wait(py, key, Side::Receive, future.clone().unbind());
        // What `yield from future` would say to the task.
        future.setattr(intern!(py, "_asyncio_future_blocking"), true)?;
        Ok(future)
    }
}

#[pymethods]
impl Waiting {
    fn __await__(this: PyRef<'_, Self>) -> PyRef<'_, Self> {
        this
    }
    fn __iter__(this: PyRef<'_, Self>) -> PyRef<'_, Self> {
        this
    }
    fn __next__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.step(py)
    }
    fn send<'py>(
        &self,
        py: Python<'py>,
        _value: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyAny>> {
        self.step(py)
    }
    #[pyo3(signature = (kind, value=None, traceback=None))]
    #[expect(clippy::unused_self, reason = "a Python method")]
    fn throw(
        &self,
        kind: Bound<'_, PyAny>,
        value: Option<Bound<'_, PyAny>>,
        traceback: Option<Bound<'_, PyAny>>,
    ) -> PyResult<()> {
        Err(thrown(kind, value, traceback))
    }
    #[expect(clippy::unused_self, reason = "a Python method")]
    fn close(&self) {}

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        match &self.source {
            Source::Http(call) => call.visit(&visit),
            Source::WebSocket(call) => call.visit(&visit),
        }
    }

    fn __clear__(&self) {
        match &self.source {
            Source::Http(call) => call.clear(),
            Source::WebSocket(call) => call.clear(),
        }
    }
}
