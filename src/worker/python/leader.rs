//! Whether this worker is the leader, for the app: `RGUN_LEADER` when it boots, `rgun.is_leader()` at any time.

use pyo3::prelude::*;
use pyo3::types::{PyCFunction, PyDict, PyTuple};

use crate::ipc::Leadership;
use crate::sys::Pid;

/// The variable says which worker of a generation is to be its leader: the one in the first slot.
pub fn offer_leadership(py: Python<'_>, slot: u32, leadership: Leadership) -> PyResult<()> {
    let environ = py.import("os")?.getattr("environ")?;
    if slot == 0 {
        environ.set_item("RGUN_LEADER", "1")?;
    } else {
        environ.call_method1("pop", ("RGUN_LEADER", py.None()))?;
    }
    let pid = Pid::this();
    let ask = move |_: &Bound<'_, PyTuple>, _: Option<&Bound<'_, PyDict>>| {
        // A process that the app has forked is not the worker.
        leadership.is_held() && Pid::this() == pid
    };
    let ask = PyCFunction::new_closure(py, Some(c"is_leader"), None, ask)?;
    // Found there by the package, which need not be of the same build as the binary.
    py.import("sys")?.setattr("_rgun_is_leader", ask)
}
