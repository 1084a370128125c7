//! Panics of our own code in a call from an app.
//!
//! pyo3 raises such a panic in the app, and resumes it where the exception leaves Python: without a catch there, the request
//! would never end.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;

/// Runs a step of an app. A panic is an error of it, as any other: what it has left of a connection's state is dropped when the
/// connection is unlocked.
pub fn contained<T>(step: impl FnOnce() -> T) -> PyResult<T> {
    catch_unwind(AssertUnwindSafe(step))
        .map_err(|payload| PyRuntimeError::new_err(format!("internal error: {}", text(&*payload))))
}

fn text(payload: &(dyn Any + Send)) -> &str {
    match payload.downcast_ref::<String>() {
        Some(text) => text,
        None => payload.downcast_ref().copied().unwrap_or("a panic"),
    }
}
