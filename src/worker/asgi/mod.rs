//! ASGI 3.0 over the worker's connections: one asyncio task per request, on Python's main thread.

mod awaitable;
mod call;
mod core;
mod engine;
mod extensions;
mod inbox;
mod logging;
mod message;
mod names;
mod offers;
mod run;
mod scope;
mod unbegun;
mod waiting;
mod websocket;
mod websocket_message;

use std::sync::Arc;

use pyo3::prelude::*;

pub use engine::Engine;

use super::WorkerContext;
use super::busy::Measure;
use super::python::Scripts;
use super::ready::ReadyProbe;
use crate::config::{EventLoop, Lifespan};

/// An app and the event loop that serves it.
pub struct AsgiServer<'py> {
    engine: Bound<'py, Engine>,
    pub event_loop: Bound<'py, PyAny>,
    app: Py<PyAny>,
}

impl<'py> AsgiServer<'py> {
    /// From here on the loop is the thread's current one; it is not running.
    pub fn new(
        py: Python<'py>,
        context: &Arc<WorkerContext>,
        scripts: &Scripts,
        app: Py<PyAny>,
    ) -> PyResult<Self> {
        let engine = Engine::new(py, context.clone(), scripts, app.clone_ref(py))?;
        let engine = Bound::new(py, engine)?;
        let event_loop = new_loop(py, context, scripts.serve.bind(py), &engine)?;
        engine.get().attach(&event_loop)?;
        py.import("asyncio")?
            .call_method1("set_event_loop", (&event_loop,))?;
        Ok(Self {
            engine,
            event_loop,
            app,
        })
    }

    /// Serves until the master stops it; returns the exit code.
    pub fn run(self, py: Python<'_>, context: &WorkerContext, scripts: &Scripts) -> PyResult<u8> {
        let Self {
            engine,
            event_loop,
            app,
        } = self;
        let lifespan = match context.net.settings.lifespan {
            Lifespan::Auto => "auto",
            Lifespan::On => "on",
            Lifespan::Off => "off",
        };
        let log = logging::function(py, scripts)?;
        let probe = ReadyProbe::new(py, scripts, &context.net.settings, &app)?;
        let module = scripts.serve.bind(py);
        module
            .call_method1("run", (engine, event_loop, app, lifespan, log, probe))?
            .extract()
    }
}

fn new_loop<'py>(
    py: Python<'py>,
    context: &WorkerContext,
    module: &Bound<'py, PyModule>,
    engine: &Bound<'py, Engine>,
) -> PyResult<Bound<'py, PyAny>> {
    let uvloop = match context.net.settings.event_loop {
        EventLoop::Asyncio => None,
        EventLoop::Uvloop => Some(py.import("uvloop")?),
        EventLoop::Auto => match py.import("uvloop") {
            Ok(uvloop) => Some(uvloop),
            Err(error) if error.is_instance_of::<pyo3::exceptions::PyImportError>(py) => None,
            Err(error) => return Err(error),
        },
    };
    context.net.busy.measure(
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
