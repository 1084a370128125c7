//! References to Python objects that the garbage collector can traverse and, where they are part of a cycle, clear.

use parking_lot::Mutex;
use pyo3::exceptions::PyReferenceError;
use pyo3::ffi;
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;

/// A reference in an object that Python code may reach. A class that holds some visits each in its `__traverse__` and
/// clears it in `__clear__`; `tests/layering` checks both.
///
/// What is behind one of our `Arc`s is not traversed: the collector counts the references that one object holds, and
/// those belong to several objects at once.
pub struct Collected<T>(Mutex<Option<Py<T>>>);

impl<T> Collected<T> {
    pub fn new(object: Py<T>) -> Self {
        Self(Mutex::new(Some(object)))
    }

    /// The object; an error once it was cleared, which only code that runs in the middle of a collection can see.
    pub fn bind<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, T>> {
        let object = self.0.lock();
        object
            .as_ref()
            .map(|object| object.bind(py).clone())
            .ok_or_else(|| PyReferenceError::new_err("the object was garbage-collected"))
    }

    pub fn visit(&self, visit: &PyVisit<'_>) -> Result<(), PyTraverseError> {
        // Locked: it is in use, so there is a reference that the collector does not count, and the object will not be
        // collected.
        match self.0.try_lock() {
            Some(object) => visit.call(&*object),
            None => Ok(()),
        }
    }

    /// Drops the reference.
    pub fn clear(&self) {
        let object = self.0.lock().take();
        // Outside the lock: it may be the last one, and run Python code.
        drop(object);
    }
}

/// An object of a class with a free list is reused without being tracked by the collector.
pub fn track<T>(object: Bound<'_, T>) -> Bound<'_, T> {
    // SAFETY: the caller's class has `__traverse__`, so its objects have a GC head; the object is complete, and the
    // GIL is held.
    unsafe {
        if ffi::PyObject_GC_IsTracked(object.as_ptr()) == 0 {
            ffi::PyObject_GC_Track(object.as_ptr().cast());
        }
    }
    object
}
