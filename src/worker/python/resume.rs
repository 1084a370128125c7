//! One step of a coroutine, without the cost of a method call.

use pyo3::prelude::*;

/// Result of a step.
pub enum Step<'py> {
    /// The coroutine waits for this.
    Yield(Bound<'py, PyAny>),
    Return(Bound<'py, PyAny>),
    Raise(PyErr),
}

/// `coroutine.send(value)`.
#[cfg(Py_3_10)]
pub fn resume<'py>(coroutine: &Bound<'py, PyAny>, value: &Bound<'py, PyAny>) -> Step<'py> {
    use pyo3::ffi;
    let py = coroutine.py();
    let mut result = std::ptr::null_mut();
    // SAFETY: both pointers are live Python objects, `result` is a place for a new reference, and the GIL is held.
    let status = unsafe { ffi::PyIter_Send(coroutine.as_ptr(), value.as_ptr(), &raw mut result) };
    match status {
        ffi::PySendResult::PYGEN_ERROR => Step::Raise(PyErr::fetch(py)),
        // SAFETY: these two states give us a new reference.
        ffi::PySendResult::PYGEN_NEXT => Step::Yield(unsafe { Bound::from_owned_ptr(py, result) }),
        ffi::PySendResult::PYGEN_RETURN => {
            // SAFETY: as above.
            Step::Return(unsafe { Bound::from_owned_ptr(py, result) })
        }
    }
}

/// `coroutine.send(value)`.
#[cfg(not(Py_3_10))]
pub fn resume<'py>(coroutine: &Bound<'py, PyAny>, value: &Bound<'py, PyAny>) -> Step<'py> {
    let py = coroutine.py();
    match coroutine.call_method1(pyo3::intern!(py, "send"), (value,)) {
        Ok(waits) => Step::Yield(waits),
        Err(error) if error.is_instance_of::<pyo3::exceptions::PyStopIteration>(py) => {
            match error.value(py).getattr(pyo3::intern!(py, "value")) {
                Ok(value) => Step::Return(value),
                Err(error) => Step::Raise(error),
            }
        }
        Err(error) => Step::Raise(error),
    }
}
