//! The exception that tells an app that its client has disconnected.

use pyo3::exceptions::PyConnectionAbortedError;
use pyo3::prelude::*;

use super::exception;

pyo3::create_exception!(
    rgun,
    ClientDisconnected,
    PyConnectionAbortedError,
    "The client has closed the connection: what is sent does not arrive, what is missing of its body will not come."
);

/// Our own error, or what a framework made of it (Starlette's `ClientDisconnect`): not a failure.
pub fn is_disconnect(py: Python<'_>, error: &PyErr) -> bool {
    if error.is_instance_of::<ClientDisconnected>(py) {
        return true;
    }
    let value = exception(py, error);
    let ours = |name: &str| {
        let found = value.getattr(name);
        found.is_ok_and(|found| found.is_instance_of::<ClientDisconnected>())
    };
    let kind = error.get_type(py);
    let named = kind
        .name()
        .is_ok_and(|name| name.to_string().contains("Disconnect"));
    named && (ours("__context__") || ours("__cause__"))
}
