//! The end of a child that the app has forked. It shares the sockets and the event loop of its worker, and must not go on as one.

use pyo3::exceptions::PySystemExit;
use pyo3::prelude::*;

use super::{exception, flush_stdio};
use crate::sys::{exit_now, is_forked_child};

/// How far a child had come when the server got it back.
pub enum Came {
    /// To the end of the code that forked it, or to an error.
    ToAnEnd(Result<(), PyErr>),
    /// It waits for the event loop, which is its parent's.
    ToAWait,
}

/// Gives `outcome` back in the worker itself. A forked child leaves as a program does that has come to its end, but for hooks and
/// destructors, which are the worker's.
pub fn in_worker<T>(py: Python<'_>, outcome: T, came: impl FnOnce(T) -> Came) -> T {
    if is_forked_child() {
        leave(py, came(outcome));
    }
    outcome
}

/// As `in_worker`, where nothing has gone wrong.
pub fn leave_forked_child(py: Python<'_>) {
    in_worker(py, (), |()| Came::ToAnEnd(Ok(())));
}

fn leave(py: Python<'_>, came: Came) -> ! {
    let code = match came {
        Came::ToAnEnd(Ok(())) => handled(py).map_or(0, |error| code_of(py, &error)),
        Came::ToAnEnd(Err(error)) => code_of(py, &error),
        Came::ToAWait => {
            say(
                py,
                "a forked child cannot wait in the event loop of its worker, it exits\n",
            );
            1
        }
    };
    flush_stdio(py);
    exit_now(code)
}

/// What is being handled: a `SystemExit` on its way out of the event loop, past our own clean-up.
fn handled(py: Python<'_>) -> Option<PyErr> {
    let found = py.import("sys").ok()?.call_method0("exc_info").ok()?;
    let value = found.get_item(1).ok()?;
    (!value.is_none()).then(|| PyErr::from_value(value))
}

/// The exit code that the interpreter would choose, and what it would print.
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
            say(py, &format!("{code}\n"));
            1
        }),
        Err(_) => 1,
    }
}

/// Not through the log: another thread may have held its locks at the fork.
fn say(py: Python<'_>, text: &str) {
    // A child without a stderr has nobody to tell.
    drop(
        py.import("sys")
            .and_then(|sys| sys.getattr("stderr"))
            .and_then(|stderr| stderr.call_method1("write", (text,))),
    );
}
