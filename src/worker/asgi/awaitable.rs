//! Awaitables that are complete when they are created: awaiting them does not involve the event loop. They have the
//! methods of a coroutine, so that `asyncio.create_task(receive())` accepts them.

use parking_lot::Mutex;
use pyo3::exceptions::{PyBaseException, PyRuntimeError, PyStopIteration};
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;

use crate::worker::python::track;

/// `await` returns None, any number of times.
#[pyclass(frozen, module = "rgun")]
pub struct CompletedAwaitable;

#[pymethods]
impl CompletedAwaitable {
    fn __await__(this: PyRef<'_, Self>) -> PyRef<'_, Self> {
        this
    }
    fn __iter__(this: PyRef<'_, Self>) -> PyRef<'_, Self> {
        this
    }
    #[expect(clippy::unused_self, reason = "a Python slot")]
    fn __next__(&self) -> Option<()> {
        None
    }
    #[expect(clippy::unused_self, reason = "a Python method")]
    fn send(&self, _value: &Bound<'_, PyAny>) -> PyResult<()> {
        Err(PyStopIteration::new_err(()))
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
}

/// `await` returns the value or raises the error, once.
#[pyclass(frozen, module = "rgun", freelist = 64)]
pub struct ReadyAwaitable {
    outcome: Mutex<Option<AwaitResult>>,
}

enum AwaitResult {
    Value(Py<PyAny>),
    Error(Py<PyBaseException>),
}

/// The error is raised by the `await`, as a coroutine's is, and not by the call: an app that gathers several calls
/// with `return_exceptions` would otherwise lose them all.
pub fn raise_when_awaited<'py>(
    py: Python<'py>,
    called: PyResult<Bound<'py, PyAny>>,
) -> PyResult<Bound<'py, PyAny>> {
    called.or_else(|error| ReadyAwaitable::of(py, AwaitResult::Error(error.into_value(py))))
}

impl ReadyAwaitable {
    pub fn bound(py: Python<'_>, value: Py<PyAny>) -> PyResult<Bound<'_, PyAny>> {
        Self::of(py, AwaitResult::Value(value))
    }

    fn of(py: Python<'_>, outcome: AwaitResult) -> PyResult<Bound<'_, PyAny>> {
        let outcome = Mutex::new(Some(outcome));
        Ok(track(Bound::new(py, Self { outcome })?).into_any())
    }

    fn take(&self, py: Python<'_>) -> PyErr {
        let outcome = self.outcome.lock().take();
        match outcome {
            Some(AwaitResult::Value(value)) => PyStopIteration::new_err((value,)),
            Some(AwaitResult::Error(error)) => PyErr::from_value(error.into_bound(py).into_any()),
            None => PyRuntimeError::new_err("cannot reuse already awaited coroutine"),
        }
    }
}

#[pymethods]
impl ReadyAwaitable {
    fn __await__(this: PyRef<'_, Self>) -> PyRef<'_, Self> {
        this
    }
    fn __iter__(this: PyRef<'_, Self>) -> PyRef<'_, Self> {
        this
    }
    fn __next__(&self, py: Python<'_>) -> PyResult<()> {
        Err(self.take(py))
    }
    fn send(&self, value: &Bound<'_, PyAny>) -> PyResult<()> {
        Err(self.take(value.py()))
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        let Some(outcome) = self.outcome.try_lock() else {
            return Ok(());
        };
        match &*outcome {
            Some(AwaitResult::Value(value)) => visit.call(value),
            Some(AwaitResult::Error(error)) => visit.call(error),
            None => Ok(()),
        }
    }

    fn __clear__(&self) {
        let outcome = self.outcome.lock().take();
        drop(outcome);
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
}

/// The exception described by `throw(type, value, traceback)`.
pub fn thrown(
    kind: Bound<'_, PyAny>,
    value: Option<Bound<'_, PyAny>>,
    _traceback: Option<Bound<'_, PyAny>>,
) -> PyErr {
    match value {
        Some(value) if value.is_instance_of::<pyo3::exceptions::PyBaseException>() => {
            PyErr::from_value(value)
        }
        Some(value) => kind.call1((value,)).map_or_else(|e| e, PyErr::from_value),
        None if kind.is_instance_of::<pyo3::exceptions::PyBaseException>() => {
            PyErr::from_value(kind)
        }
        None => kind.call0().map_or_else(|e| e, PyErr::from_value),
    }
}
