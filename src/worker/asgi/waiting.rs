//! The awaitable that `receive()` returns when there is nothing yet, without a Python frame. It has the methods of a
//! coroutine, as those in `awaitable.rs`.

use pyo3::PyClass;
use pyo3::exceptions::PyStopIteration;
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::PyDict;

use super::awaitable::thrown;
use super::core::{AsgiCore, Side};
use crate::worker::key::RequestKey;
use crate::worker::python::{Collected, track};

/// An object of Python whose messages an app receives.
pub trait Receiver: PyClass {
    /// The next message; None where it would wait.
    fn poll<'py>(this: &Bound<'py, Self>) -> PyResult<Option<Bound<'py, PyDict>>>;
    fn core<'c>(this: &'c Bound<'_, Self>) -> &'c AsgiCore;
    fn key(this: &Bound<'_, Self>) -> RequestKey;
}

/// What `ReceiveAwaitable` needs of any `Receiver`.
trait Source: Send + Sync {
    fn poll<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyDict>>>;
    /// A future that is resolved when there may be a message.
    fn future<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>>;
    fn visit(&self, visit: &PyVisit<'_>) -> Result<(), PyTraverseError>;
    fn clear(&self);
}

impl<T: Receiver> Source for Collected<T> {
    fn poll<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyDict>>> {
        T::poll(&self.bind(py)?)
    }

    fn future<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let receiver = self.bind(py)?;
        let core = T::core(&receiver);
        let future = core.new_future(py)?;
        let waiting = future.clone().unbind();
        core.wait(py, T::key(&receiver), Side::Receive, waiting);
        Ok(future)
    }

    fn visit(&self, visit: &PyVisit<'_>) -> Result<(), PyTraverseError> {
        Self::visit(self, visit)
    }

    fn clear(&self) {
        Self::clear(self);
    }
}

/// `await` returns the next message.
#[pyclass(frozen, module = "rgun", freelist = 128)]
pub struct ReceiveAwaitable {
    source: Box<dyn Source>,
}

/// An awaitable for the next message.
pub fn receive<'py, T: Receiver>(receiver: &Bound<'py, T>) -> PyResult<Bound<'py, PyAny>> {
    let py = receiver.py();
    let source = Box::new(Collected::new(receiver.clone().unbind()));
    Ok(track(Bound::new(py, ReceiveAwaitable { source })?).into_any())
}

impl ReceiveAwaitable {
    /// Returns the message, which ends the wait, or a future to be awaited before the next attempt.
    fn step<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        if let Some(event) = self.source.poll(py)? {
            return Err(PyStopIteration::new_err((event.unbind(),)));
        }
        let future = self.source.future(py)?;
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
        self.source.visit(&visit)
    }

    fn __clear__(&self) {
        self.source.clear();
    }
}
