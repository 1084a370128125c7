//! Restores the signal handlers of a program that serves in its own process, once serving has ended.

use pyo3::prelude::*;

/// The signals whose handlers serving replaces.
const REPLACED: [&str; 3] = ["SIGINT", "SIGTERM", "SIGQUIT"];

pub fn is_main_thread(py: Python<'_>) -> bool {
    let same = || -> PyResult<bool> {
        let threading = py.import("threading")?;
        let current = threading.call_method0("current_thread")?;
        Ok(current.is(threading.call_method0("main_thread")?))
    };
    same().unwrap_or(false)
}

/// Python's handler of each; empty in a thread that may not set any.
pub struct Handlers(Vec<(Py<PyAny>, Py<PyAny>)>);

impl Handlers {
    pub fn save(py: Python<'_>) -> Self {
        if !is_main_thread(py) {
            return Self(Vec::new());
        }
        let one = |name| -> PyResult<_> {
            let signal = py.import("signal")?;
            let number = signal.getattr(name)?;
            let handler = signal.call_method1("getsignal", (&number,))?;
            Ok((number.unbind(), handler.unbind()))
        };
        Self(
            REPLACED
                .into_iter()
                .filter_map(|name| one(name).ok())
                .collect(),
        )
    }

    pub fn restore(self, py: Python<'_>) {
        for (number, handler) in self.0 {
            // None: not set from Python, and cannot be restored from here.
            if handler.is_none(py) {
                continue;
            }
            let set = py
                .import("signal")
                .and_then(|signal| signal.call_method1("signal", (number, handler)));
            if let Err(error) = set {
                tracing::debug!(%error, "signal handler not restored");
            }
        }
    }
}
