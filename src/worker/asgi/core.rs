//! State on the Python side that all requests of an ASGI worker share.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};

use parking_lot::Mutex;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::PyDict;

use super::awaitable::CompletedAwaitable;
use super::inbox::{Inbox, InboxItem};
use super::names::AsgiNames;
use super::offers::Offers;
use super::unbegun::UnbegunRequests;
use crate::worker::WorkerContext;
use crate::worker::drain::DrainStage;
use crate::worker::key::RequestKey;
use crate::worker::python::{Scripts, StackFormatter};

pub struct AsgiCore {
    pub context: Arc<WorkerContext>,
    pub inbox: Arc<Inbox>,
    pub unbegun: Arc<UnbegunRequests>,
    pub names: AsgiNames,
    pub offers: Offers,
    pub app: Py<PyAny>,
    /// A call of it runs none of its code before the first step.
    pub app_is_coroutine_function: bool,
    pub done: Py<CompletedAwaitable>,
    pub wait_send: Py<PyAny>,
    /// Turns any awaitable into a coroutine.
    pub coroutine_of: Py<PyAny>,
    pub coroutine_type: Py<PyAny>,
    pub format_error: Py<PyAny>,
    pub stacks: StackFormatter,
    /// The lifespan state, if the app supports lifespan.
    pub state: OnceLock<Py<PyDict>>,
    /// Schedules a turn of the reactor, for loops that do not sleep in it (uvloop).
    pub soon: OnceLock<Py<PyAny>>,
    /// A turn is in progress: it handles what the network side queues.
    pub turning: AtomicBool,
    /// A turn is scheduled.
    pub asked: AtomicBool,
    future_type: Py<PyAny>,
    /// The loop, as the keyword argument for futures.
    future_options: Py<PyDict>,
    waiters: Mutex<HashMap<RequestKey, Waiters>>,
    tasks: Mutex<Tasks>,
}

/// Futures of an app that waits, by side.
#[derive(Default)]
struct Waiters {
    receive: Vec<Py<PyAny>>,
    send: Vec<Py<PyAny>>,
}

impl Waiters {
    fn of(&mut self, side: Side) -> &mut Vec<Py<PyAny>> {
        match side {
            Side::Receive => &mut self.receive,
            Side::Send => &mut self.send,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    Receive,
    Send,
}

/// Strong references to the running tasks: asyncio's own are weak.
#[derive(Default)]
struct Tasks {
    places: Vec<Option<Py<PyAny>>>,
    free: Vec<usize>,
}

impl AsgiCore {
    pub fn new(
        py: Python<'_>,
        context: Arc<WorkerContext>,
        scripts: &Scripts,
        app: Py<PyAny>,
    ) -> PyResult<Self> {
        let serve = scripts.serve.bind(py);
        let pathsend = context.net.settings.pathsend;
        Ok(Self {
            context,
            inbox: Arc::default(),
            unbegun: Arc::default(),
            names: AsgiNames::new(py),
            offers: Offers::new(py, pathsend)?,
            app_is_coroutine_function: is_coroutine_function(app.bind(py))?,
            app,
            done: Py::new(py, CompletedAwaitable)?,
            future_type: py.import("asyncio")?.getattr("Future")?.unbind(),
            future_options: PyDict::new(py).unbind(),
            wait_send: serve.getattr("wait_send")?.unbind(),
            coroutine_of: serve.getattr("coroutine_of")?.unbind(),
            coroutine_type: py.import("types")?.getattr("CoroutineType")?.unbind(),
            stacks: StackFormatter::new(py, scripts)?,
            format_error: scripts.boot.bind(py).getattr("format_error")?.unbind(),
            state: OnceLock::new(),
            soon: OnceLock::new(),
            turning: AtomicBool::new(false),
            asked: AtomicBool::new(false),
            waiters: Mutex::default(),
            tasks: Mutex::default(),
        })
    }

    /// Sets the loop that tasks and futures belong to.
    pub fn attach(&self, event_loop: &Bound<'_, PyAny>) -> PyResult<()> {
        let py = event_loop.py();
        self.future_options
            .bind(py)
            .set_item(intern!(py, "loop"), event_loop)
    }

    /// A future of the loop.
    pub fn new_future<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.future_type
            .bind(py)
            .call((), Some(self.future_options.bind(py)))
    }

    /// Registers a future that the next event of that request resolves.
    pub fn wait(&self, py: Python<'_>, key: RequestKey, side: Side, future: Py<PyAny>) {
        let mut list = match self.waiters.lock().get_mut(&key) {
            Some(waiters) => std::mem::take(waiters.of(side)),
            None => Vec::new(),
        };
        // Cancelled ones would accumulate where an app waits with a timeout repeatedly. Without the lock: this may run the app's code,
        // which may wait again.
        list.retain(|future| !is_done(future.bind(py)));
        list.push(future);
        let mut waiters = self.waiters.lock();
        waiters.entry(key).or_default().of(side).append(&mut list);
    }

    /// Resolves the futures of one side of a request.
    pub fn resolve(&self, py: Python<'_>, key: RequestKey, side: Side) -> PyResult<()> {
        let found = {
            let mut all = self.waiters.lock();
            let Some(waiters) = all.get_mut(&key) else {
                return Ok(());
            };
            let found = std::mem::take(waiters.of(side));
            if waiters.receive.is_empty() && waiters.send.is_empty() {
                all.remove(&key);
            }
            found
        };
        for future in found {
            let future = future.bind(py);
            if !is_done(future) {
                future.call_method1(intern!(py, "set_result"), (py.None(),))?;
            }
        }
        Ok(())
    }

    /// Called after each call of the app on a connection: the network side may have work for the loop.
    pub fn after_call(&self, py: Python<'_>) -> PyResult<()> {
        if let Some(soon) = self.soon.get()
            && !(self.inbox.is_empty() && self.context.net.write_coalescer.is_empty())
            && !self.turning.load(Relaxed)
            && !self.asked.swap(true, Relaxed)
        {
            soon.call0(py)?;
        }
        Ok(())
    }

    pub fn keep_task(&self, task: Py<PyAny>) -> usize {
        let mut tasks = self.tasks.lock();
        if let Some(place) = tasks.free.pop() {
            tasks.places[place] = Some(task);
            place
        } else {
            tasks.places.push(Some(task));
            tasks.places.len() - 1
        }
    }

    /// Drops the reference to a finished task.
    pub fn drop_task(&self, place: usize) {
        let task = {
            let mut tasks = self.tasks.lock();
            let task = tasks.places.get_mut(place).and_then(Option::take);
            if task.is_some() {
                tasks.free.push(place);
            }
            task
        };
        // Outside the lock: the last reference may run Python code.
        drop(task);
    }

    /// A request's task has finished; a draining worker may now be idle.
    pub fn request_over(&self) {
        if self.context.net.drain.stage() != DrainStage::Serving && self.running() == 0 {
            self.inbox.push(InboxItem::Quiet);
        }
    }

    pub fn running(&self) -> usize {
        let tasks = self.tasks.lock();
        tasks.places.len() - tasks.free.len()
    }

    pub fn tasks(&self, py: Python<'_>) -> Vec<Py<PyAny>> {
        self.tasks
            .lock()
            .places
            .iter()
            .flatten()
            .map(|task| task.clone_ref(py))
            .collect()
    }
}

fn is_done(future: &Bound<'_, PyAny>) -> bool {
    future
        .call_method0(intern!(future.py(), "done"))
        .and_then(|done| done.is_truthy())
        .unwrap_or(true)
}

/// Whether it is defined by `async def`, itself or its `__call__`.
fn is_coroutine_function(app: &Bound<'_, PyAny>) -> PyResult<bool> {
    let py = app.py();
    let is = py
        .import("inspect")?
        .getattr(intern!(py, "iscoroutinefunction"))?;
    let call = app.getattr(intern!(py, "__call__"))?;
    Ok(is.call1((app,))?.is_truthy()? || is.call1((call,))?.is_truthy()?)
}
