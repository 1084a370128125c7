//! The exit of a child that the app has forked. It shares the sockets and the event loop of its worker, and must not
//! continue as one.

use pyo3::exceptions::PySystemExit;
use pyo3::prelude::*;

use super::{exception, flush_stdio};
use crate::sys::{exit_now, is_forked_child};

/// The point at which the server regained control in the child.
pub enum ForkReturn {
    /// The code that forked has returned, or raised.
    ToAnEnd(Result<(), PyErr>),
    /// It waits for the event loop, which is its parent's.
    ToAWait,
}

/// Returns `outcome` in the worker itself. A forked child exits as a program does at its end, except for hooks and
/// destructors, which belong to the worker.
pub fn in_worker<T>(py: Python<'_>, outcome: T, came: impl FnOnce(T) -> ForkReturn) -> T {
    if is_forked_child() {
        leave(py, came(outcome));
    }
    outcome
}

/// As `in_worker`, where no error has occurred.
pub fn leave_forked_child(py: Python<'_>) {
    in_worker(py, (), |()| ForkReturn::ToAnEnd(Ok(())));
}

fn leave(py: Python<'_>, came: ForkReturn) -> ! {
    let code = match came {
        ForkReturn::ToAnEnd(Ok(())) => handled(py).map_or(0, |error| code_of(py, &error)),
        ForkReturn::ToAnEnd(Err(error)) => code_of(py, &error),
        ForkReturn::ToAWait => {
            print(
                py,
                "a forked child cannot wait in the event loop of its worker, it exits\n",
            );
            1
        }
    };
    flush_stdio(py);
    exit_now(code)
}

/// The exception being handled: a `SystemExit` that propagates out of the event loop, past our own clean-up.
fn handled(py: Python<'_>) -> Option<PyErr> {
    let found = py.import("sys").ok()?.call_method0("exc_info").ok()?;
    let value = found.get_item(1).ok()?;
    (!value.is_none()).then(|| PyErr::from_value(value))
}

/// The interpreter's exit code for the error; also prints what the interpreter would print.
fn code_of(py: Python<'_>, error: &PyErr) -> i32 {
    if !error.is_instance_of::<PySystemExit>(py) {
        // With its traceback, by `sys.excepthook`.
        PyErr::from_value(exception(py, error)).print(py);
        return 1;
    }
    let code = error.value(py).getattr("code");
    match code {
        Ok(code) if code.is_none() => 0,
        Ok(code) => code.extract().unwrap_or_else(|_| {
            print(py, &format!("{code}\n"));
            1
        }),
        Err(_) => 1,
    }
}

/// Not through the log: another thread may have held its locks at the fork.
fn print(py: Python<'_>, text: &str) {
    // A child may have no stderr.
    drop(
        py.import("sys")
            .and_then(|sys| sys.getattr("stderr"))
            .and_then(|stderr| stderr.call_method1("write", (text,))),
    );
}
