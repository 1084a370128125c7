//! CPython's own preparations around fork(2), for a master inside an interpreter. No-ops without one.

use pyo3::ffi;

/// In the parent, with the GIL held.
pub fn before_fork() {
    // SAFETY: the hosted master is the interpreter's main thread and holds the GIL.
    unsafe { ffi::PyOS_BeforeFork() }
}

/// In the parent, with the GIL held.
pub fn after_fork_parent() {
    // SAFETY: as above, and `before_fork` was called.
    unsafe { ffi::PyOS_AfterFork_Parent() }
}

/// In the child, before any other use of Python.
pub fn after_fork_child() {
    // SAFETY: as above; the child's only thread is the one that held the GIL.
    unsafe { ffi::PyOS_AfterFork_Child() }
}
