//! ASGI 3.0 over the worker's connections: one asyncio task a request, on Python's main thread. It does not touch sockets.

mod awaitable;
mod call;
mod core;
mod engine;
mod extensions;
mod inbox;
mod logging;
mod message;
mod names;
mod run;
mod scope;
mod waiting;
mod websocket;
mod websocket_message;

use std::sync::Arc;

use pyo3::prelude::*;

pub use awaitable::ClientDisconnected;
pub use engine::Engine;

use super::Office;
use super::busy::Measure;
use super::python::Scripts;
use crate::config::{EventLoop, Lifespan};

/// Serves `app` until the master says otherwise; the exit code.
pub fn serve(
    py: Python<'_>,
    office: &Arc<Office>,
    scripts: &Scripts,
    app: Py<PyAny>,
) -> PyResult<u8> {
    let module = scripts.serve.bind(py);
    let engine = Bound::new(
        py,
        Engine::new(py, office.clone(), scripts, app.clone_ref(py))?,
    )?;
    let event_loop = new_loop(py, office, module, &engine)?;
    engine.get().attach(&event_loop)?;
    let lifespan = match office.net.settings.lifespan {
        Lifespan::Auto => "auto",
        Lifespan::On => "on",
        Lifespan::Off => "off",
    };
    let log = logging::function(py, scripts)?;
    module
        .call_method1("run", (&engine, event_loop, app, lifespan, log))?
        .extract()
}

fn new_loop<'py>(
    py: Python<'py>,
    office: &Office,
    module: &Bound<'py, PyModule>,
    engine: &Bound<'py, Engine>,
) -> PyResult<Bound<'py, PyAny>> {
    let uvloop = match office.net.settings.event_loop {
        EventLoop::Asyncio => None,
        EventLoop::Uvloop => Some(py.import("uvloop")?),
        EventLoop::Auto => match py.import("uvloop") {
            Ok(uvloop) => Some(uvloop),
            Err(error) if error.is_instance_of::<pyo3::exceptions::PyImportError>(py) => None,
            Err(error) => return Err(error),
        },
    };
    office.net.busy.measure(
        if uvloop.is_some() {
            Measure::Steps
        } else {
            Measure::Reactor
        },
        1,
    );
    match uvloop {
        Some(uvloop) => module.call_method1("new_uvloop", (engine, uvloop)),
        None => module.call_method1("new_asyncio_loop", (engine,)),
    }
}
