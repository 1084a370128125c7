//! Cancels code in Python's threads, as far as Python can: its next step raises `SystemExit`.

use std::sync::atomic::{AtomicBool, Ordering::SeqCst};

use pyo3::exceptions::PySystemExit;
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyCFunction, PyDict, PyTuple};

use super::handlers::is_main_thread;
use crate::sys::signals::{CANCEL, signal_main_thread};

static INTERRUPTIBLE: AtomicBool = AtomicBool::new(false);

/// Makes the main thread interruptible, also in the middle of a system call. To be called in it.
pub fn allow_cancel(py: Python<'_>) -> PyResult<()> {
    let handler = PyCFunction::new_closure(
        py,
        Some(c"cancel"),
        None,
        |_: &Bound<'_, PyTuple>, _: Option<&Bound<'_, PyDict>>| -> PyResult<()> {
            Err(PySystemExit::new_err("the worker leaves"))
        },
    )?;
    if is_main_thread(py) {
        set_handler(py, handler.as_any())?;
        INTERRUPTIBLE.store(true, SeqCst);
    }
    Ok(())
}

/// Whether the first thread of the app is the main thread, which `cancel_main_thread` interrupts.
pub fn main_thread_is_interruptible() -> bool {
    INTERRUPTIBLE.load(SeqCst)
}

/// From here on a cancellation has no effect.
pub fn ignore_cancel(py: Python<'_>) -> PyResult<()> {
    if !main_thread_is_interruptible() {
        return Ok(());
    }
    let ignore = py.import("signal")?.getattr("SIG_IGN")?;
    set_handler(py, &ignore)
}

fn set_handler(py: Python<'_>, handler: &Bound<'_, PyAny>) -> PyResult<()> {
    py.import("signal")?
        .call_method1("signal", (CANCEL.as_raw(), handler))
        .map(drop)
}

/// `SystemExit` in the main thread.
pub fn cancel_main_thread() {
    signal_main_thread(CANCEL);
}

/// `SystemExit` in the thread of that `threading.get_ident()`, as soon as it runs Python code.
pub fn cancel_thread(_py: Python<'_>, ident: u64) {
    // SAFETY: the GIL is held; the exception type lives as long as the interpreter; an unknown thread is no error.
    unsafe {
        ffi::PyThreadState_SetAsyncExc(ident.cast_signed(), ffi::PyExc_SystemExit);
    }
}
