//! The awaitable that `receive()` returns when there is nothing yet, without a Python frame. It has the methods of a
//! coroutine, as those in `awaitable.rs`.

use pyo3::exceptions::PyStopIteration;
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::intern;
use pyo3::prelude::*;

use super::awaitable::thrown;
use super::call::Call;
use super::core::Side;
use super::websocket::SocketCall;
use crate::worker::python::{Collected, track};

/// The connection whose message is awaited.
pub enum ReceiveSource {
    Http(Collected<Call>),
    WebSocket(Collected<SocketCall>),
}

/// `await` returns the next message.
#[pyclass(frozen, module = "rgun", freelist = 128)]
pub struct ReceiveAwaitable {
    source: ReceiveSource,
}

/// An awaitable for the next message.
pub fn receive(py: Python<'_>, source: ReceiveSource) -> PyResult<Bound<'_, PyAny>> {
    Ok(track(Bound::new(py, ReceiveAwaitable { source })?).into_any())
}

impl ReceiveAwaitable {
    /// Returns the message, which ends the wait, or a future to be awaited before the next attempt.
    fn step<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let (event, core, key) = match &self.source {
            ReceiveSource::Http(call) => {
                let call = call.bind(py)?;
                let this = call.get();
                (Call::poll(&call)?, this.core.clone(), this.exchange.key())
            }
            ReceiveSource::WebSocket(call) => {
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
        // As `yield from future` would signal to the task.
        future.setattr(intern!(py, "_asyncio_future_blocking"), true)?;
        Ok(future)
    }
}

#[pymethods]
impl ReceiveAwaitable {
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
            ReceiveSource::Http(call) => call.visit(&visit),
            ReceiveSource::WebSocket(call) => call.visit(&visit),
        }
    }

    fn __clear__(&self) {
        match &self.source {
            ReceiveSource::Http(call) => call.clear(),
            ReceiveSource::WebSocket(call) => call.clear(),
        }
    }
}
