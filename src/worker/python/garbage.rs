//! Python's garbage collector: its thresholds, full collections, and the time that collections take.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyCFunction, PyDict, PyTuple};

use super::scripts;
use crate::ipc::Page;
use crate::sys::{clock, is_forked_child};

/// Full collections are left to the caller: the collector does the others by itself.
pub struct FullCollections {
    threshold: u64,
    object: Py<PyAny>,
}

impl FullCollections {
    /// With the thresholds that the app has set, except for that of full collections.
    pub fn take_over(py: Python<'_>) -> PyResult<Self> {
        let script = scripts::garbage(py)?;
        let object = script.bind(py).call_method0("FullCollections")?;
        Ok(Self {
            threshold: object.getattr("old")?.extract()?,
            object: object.unbind(),
        })
    }

    /// So many pending collections make a full one due.
    pub fn threshold(&self) -> u64 {
        self.threshold
    }

    /// Collections of the next younger generation since the last full one; none while the app has disabled the collector.
    pub fn pending(&self, py: Python<'_>) -> PyResult<u64> {
        let pending = self.object.call_method0(py, intern!(py, "pending"))?;
        pending.extract(py)
    }

    /// Runs a full collection, if the interpreter's own rules say so.
    pub fn offer(&self, py: Python<'_>) -> PyResult<()> {
        self.object.call_method0(py, intern!(py, "offer")).map(drop)
    }

    /// Restores the threshold, unless the app has set others meanwhile.
    pub fn give_back(&self, py: Python<'_>) -> PyResult<()> {
        self.object.call_method0(py, "give_back").map(drop)
    }
}

/// Counts each collection and its time on the worker's page.
pub struct CollectionTimes {
    callback: Py<PyAny>,
}

impl CollectionTimes {
    pub fn measure(py: Python<'_>, page: Page) -> PyResult<Self> {
        let started = AtomicU64::new(0);
        let callback =
            move |args: &Bound<'_, PyTuple>, _: Option<&Bound<'_, PyDict>>| -> PyResult<()> {
                if is_forked_child() {
                    // The page is its worker's.
                    return Ok(());
                }
                let now = clock::monotonic_us();
                if args.get_item(0)?.extract::<&str>()? == "start" {
                    started.store(now, Relaxed);
                    return Ok(());
                }
                let generation = args
                    .get_item(1)?
                    .get_item(intern!(args.py(), "generation"))?;
                page.collected_garbage(
                    generation.extract()?,
                    now.saturating_sub(started.load(Relaxed)),
                );
                Ok(())
            };
        let callback = PyCFunction::new_closure(py, Some(c"measure_collection"), None, callback)?;
        callbacks(py)?.call_method1("append", (&callback,))?;
        Ok(Self {
            callback: callback.into_any().unbind(),
        })
    }

    pub fn stop(&self, py: Python<'_>) -> PyResult<()> {
        let callbacks = callbacks(py)?;
        if callbacks.contains(&self.callback)? {
            callbacks.call_method1("remove", (&self.callback,))?;
        }
        Ok(())
    }
}

fn callbacks(py: Python<'_>) -> PyResult<Bound<'_, PyAny>> {
    py.import("gc")?.getattr("callbacks")
}
