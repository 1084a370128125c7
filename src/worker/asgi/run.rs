//! The coroutine of a request's task: wraps the app's own and handles its end, without a callback or an extra turn of
//! the loop.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};

use pyo3::exceptions::PyStopIteration;
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::PyDict;

use super::core::AsgiCore;
use crate::worker::drain::DrainStage;
use crate::worker::exchange::{self, Ending, Exchange, ResponseVerdict};
use crate::worker::key::RequestKey;
use crate::worker::ledger::request_id::is_sound;
use crate::worker::python::{
    Collected, ForkReturn, Step, contained, exception, in_worker, is_disconnect, logged, resume,
};
use crate::worker::websocket::WebSocketHandle;

const NO_PLACE: usize = usize::MAX;
const ENDED: usize = usize::MAX - 1;

/// The connection that a task serves.
pub enum Subject {
    Http(Exchange),
    WebSocket(WebSocketHandle),
}

impl Subject {
    pub fn ended(&self, ending: Ending) -> ResponseVerdict {
        match self {
            Self::Http(exchange) => exchange.ended(ending),
            Self::WebSocket(socket) => socket.ended(ending),
        }
    }

    fn step(&self) -> exchange::ExchangeStep<'_> {
        match self {
            Self::Http(exchange) => exchange.step(),
            Self::WebSocket(socket) => socket.exchange.step(),
        }
    }
}

#[pyclass(frozen, module = "rgun", name = "Request")]
pub struct Run {
    coroutine: Collected<PyAny>,
    subject: Subject,
    /// Until the request has ended: an app may store a reference in it that leads back to this task.
    scope: Collected<PyDict>,
    core: Arc<AsgiCore>,
    /// Index of the task in `AsgiCore`.
    place: AtomicUsize,
    /// It has not run yet, and is among `AsgiCore::unbegun`.
    waits: AtomicBool,
    /// It took too long: the server has cancelled it and has logged that.
    expired: AtomicBool,
}

impl Run {
    pub fn new(
        coroutine: Py<PyAny>,
        subject: Subject,
        scope: Py<PyDict>,
        core: Arc<AsgiCore>,
    ) -> Self {
        Self {
            coroutine: Collected::new(coroutine),
            subject,
            scope: Collected::new(scope),
            core,
            place: AtomicUsize::new(NO_PLACE),
            waits: AtomicBool::new(false),
            expired: AtomicBool::new(false),
        }
    }

    /// Its first step comes later, and until then another worker may get the request.
    pub fn wait(&self) {
        self.waits.store(true, Relaxed);
    }

    /// Before each step. False: the request was passed on, and the app does not run.
    fn begin(&self, py: Python<'_>) -> PyResult<bool> {
        if !self.waits.load(Relaxed) {
            return Ok(true);
        }
        self.waits.store(false, Relaxed);
        if self.core.unbegun.begin(self.key()) {
            return Ok(true);
        }
        self.coroutine
            .bind(py)?
            .call_method0(intern!(py, "close"))?;
        self.over(py)?;
        Ok(false)
    }

    /// Stores the created task, unless it ran eagerly and has ended.
    pub fn keep(&self, task: &Bound<'_, PyAny>) {
        if self.place.load(Relaxed) != ENDED {
            let place = self.core.keep_task(task.clone().unbind());
            self.place.store(place, Relaxed);
        }
    }

    /// Key of its request.
    pub fn key(&self) -> RequestKey {
        match &self.subject {
            Subject::Http(exchange) => exchange.key(),
            // Used only while its handshake waits: once accepted it is no request any more.
            Subject::WebSocket(socket) => socket.exchange.key(),
        }
    }

    pub fn log_timeout(&self, py: Python<'_>) {
        self.expired.store(true, Relaxed);
        let scope = self.scope.bind(py).ok();
        let request = scope.as_ref().map(request_line);
        let request_id = scope.and_then(|scope| request_id(&self.core, &scope));
        tracing::error!(
            request,
            request_id,
            "request cancelled: it took longer than --request-timeout"
        );
    }

    fn resume<'py>(&self, py: Python<'py>, value: &Bound<'py, PyAny>) -> PyResult<Step<'py>> {
        let coroutine = self.coroutine.bind(py)?;
        Ok(contained(|| resume(&coroutine, value)).unwrap_or_else(Step::Raise))
    }

    /// Forwards a step. `None`: the app has ended.
    fn follow<'py>(&self, py: Python<'py>, step: Step<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        let step = in_worker(py, step, |step| match step {
            Step::Yield(_) => ForkReturn::ToAWait,
            Step::Raise(error) => ForkReturn::ToAnEnd(Err(error)),
            Step::Return(_) => ForkReturn::ToAnEnd(Ok(())),
        });
        self.core.context.net.end_step();
        match step {
            Step::Yield(waits) => return Ok(Some(waits)),
            Step::Return(value) => {
                let verdict = self.subject.ended(Ending::Returned);
                self.report(py, verdict, &value);
            }
            Step::Raise(error) => {
                let cancelled = is_cancelled(py, &error);
                let gone = is_disconnect(py, &error);
                let verdict = self.subject.ended(if cancelled {
                    Ending::Returned
                } else {
                    Ending::Failed
                });
                if cancelled {
                    if verdict != ResponseVerdict::Fine && !self.is_cancelled_by_us() {
                        self.log_failure(py, &error, verdict);
                    }
                    self.over(py)?;
                    return Err(error);
                }
                if !gone {
                    self.log_failure(py, &error, verdict);
                }
            }
        }
        self.over(py)?;
        Ok(None)
    }

    /// Otherwise the app has let a cancellation of its own propagate, which is an error like any other.
    fn is_cancelled_by_us(&self) -> bool {
        self.expired.load(Relaxed) || self.core.context.net.drain.stage() != DrainStage::Serving
    }

    fn report(&self, py: Python<'_>, verdict: ResponseVerdict, value: &Bound<'_, PyAny>) {
        let complaint = match verdict {
            ResponseVerdict::Fine if value.is_none() => return,
            ResponseVerdict::Fine => "app returned a value, it should be None",
            ResponseVerdict::Unanswered => "app returned without a response",
            ResponseVerdict::Cut => "app returned before its response was complete",
        };
        let scope = self.scope.bind(py).ok();
        let request = scope.as_ref().map(request_line);
        let request_id = scope.and_then(|scope| request_id(&self.core, &scope));
        tracing::error!(request, request_id, "{complaint}");
    }

    /// The app's task factory has raised, so there is no task: handled as if the app had raised.
    pub fn refused(&self, py: Python<'_>, error: &PyErr) -> PyResult<()> {
        if !self.begin(py)? {
            return Ok(());
        }
        // It has not started, so no code in it can raise here.
        let coroutine = self.coroutine.bind(py)?;
        drop(coroutine.call_method0(intern!(py, "close")));
        let verdict = self.subject.ended(Ending::Failed);
        self.log_failure(py, error, verdict);
        self.over(py)
    }

    fn log_failure(&self, py: Python<'_>, error: &PyErr, verdict: ResponseVerdict) {
        if let Ok(scope) = self.scope.bind(py) {
            log_failure(&self.core, &scope, error, verdict);
        }
    }

    fn over(&self, py: Python<'_>) -> PyResult<()> {
        let place = self.place.swap(ENDED, Relaxed);
        if place < ENDED {
            self.core.drop_task(place);
        }
        self.scope.clear();
        self.core.request_over();
        self.core.after_call(py)
    }
}

#[pymethods]
impl Run {
    fn __await__(this: PyRef<'_, Self>) -> PyRef<'_, Self> {
        this
    }

    fn __iter__(this: PyRef<'_, Self>) -> PyRef<'_, Self> {
        this
    }

    fn __next__<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        if !self.begin(py)? {
            return Ok(None);
        }
        let _work = (self.core.context.net.busy.step(), self.subject.step());
        self.follow(py, self.resume(py, py.None().bind(py))?)
    }

    fn send<'py>(&self, py: Python<'py>, value: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        if !self.begin(py)? {
            return Err(PyStopIteration::new_err(()));
        }
        let _work = (self.core.context.net.busy.step(), self.subject.step());
        self.follow(py, self.resume(py, value)?)?
            .ok_or_else(|| PyStopIteration::new_err(()))
    }

    #[pyo3(signature = (*args))]
    fn throw<'py>(
        &self,
        py: Python<'py>,
        args: &Bound<'py, pyo3::types::PyTuple>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let _work = (self.core.context.net.busy.step(), self.subject.step());
        if !self.begin(py)? {
            return Err(PyStopIteration::new_err(()));
        }
        let coroutine = self.coroutine.bind(py)?;
        let thrown = contained(|| coroutine.call_method1(intern!(py, "throw"), args));
        let step = match thrown.and_then(|thrown| thrown) {
            Ok(waits) => Step::Yield(waits),
            Err(error) if error.is_instance_of::<PyStopIteration>(py) => {
                Step::Return(error.value(py).getattr(intern!(py, "value"))?)
            }
            Err(error) => Step::Raise(error),
        };
        self.follow(py, step)?
            .ok_or_else(|| PyStopIteration::new_err(()))
    }

    fn close(&self, py: Python<'_>) -> PyResult<()> {
        if !self.begin(py)? {
            return Ok(());
        }
        let coroutine = self.coroutine.bind(py)?;
        coroutine.call_method0(intern!(py, "close"))?;
        self.subject.ended(Ending::Failed);
        self.over(py)
    }

    /// `GET /path`, for tools that list tasks.
    #[getter]
    fn request(&self, py: Python<'_>) -> Option<String> {
        self.scope.bind(py).ok().as_ref().map(request_line)
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        self.coroutine.visit(&visit)?;
        self.scope.visit(&visit)
    }

    fn __clear__(&self) {
        self.coroutine.clear();
        self.scope.clear();
    }

    /// For `task.print_stack()` and debuggers: the app's own frame.
    #[getter]
    fn cr_frame<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.coroutine.bind(py)?.getattr(intern!(py, "cr_frame"))
    }

    #[getter]
    fn cr_await<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.coroutine.bind(py)?.getattr(intern!(py, "cr_await"))
    }

    #[getter]
    fn cr_code<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.coroutine.bind(py)?.getattr(intern!(py, "cr_code"))
    }

    #[getter]
    fn cr_running<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.coroutine.bind(py)?.getattr(intern!(py, "cr_running"))
    }

    #[getter]
    fn __qualname__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.coroutine
            .bind(py)?
            .getattr(intern!(py, "__qualname__"))
    }

    #[getter]
    fn __name__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.coroutine.bind(py)?.getattr(intern!(py, "__name__"))
    }
}

fn is_cancelled(py: Python<'_>, error: &PyErr) -> bool {
    error
        .get_type(py)
        .is(&*py.get_type::<pyo3::exceptions::asyncio::CancelledError>())
        || error.is_instance_of::<pyo3::exceptions::asyncio::CancelledError>(py)
}

/// One record with the request line and the user's traceback.
pub fn log_failure(
    core: &AsgiCore,
    scope: &Bound<'_, PyDict>,
    error: &PyErr,
    verdict: ResponseVerdict,
) {
    let py = scope.py();
    let traceback = core
        .format_error
        .bind(py)
        .call1((exception(py, error),))
        .and_then(|text| logged(&text))
        .unwrap_or_else(|_| error.to_string());
    let request = request_line(scope);
    let request_id = request_id(core, scope);
    let cut = verdict == ResponseVerdict::Cut;
    core.context.net.page.exception();
    tracing::error!(request, request_id, cut, traceback, "exception in app");
}

fn request_line(scope: &Bound<'_, PyDict>) -> String {
    let text = |key: &str| {
        let value = scope.get_item(key).ok().flatten();
        value
            .and_then(|value| logged(&value).ok())
            .unwrap_or_default()
    };
    let method = text("method");
    let method = if method.is_empty() {
        "WEBSOCKET"
    } else {
        &method
    };
    format!("{method} {}", text("path"))
}

/// As in the scope of the app.
fn request_id(core: &AsgiCore, scope: &Bound<'_, PyDict>) -> Option<String> {
    let headers = scope
        .get_item(intern!(scope.py(), "headers"))
        .ok()
        .flatten()?;
    let headers: Vec<(Vec<u8>, Vec<u8>)> = headers.extract().ok()?;
    let name = core.context.net.ledger.id_field().as_bytes();
    let (_, id) = headers.into_iter().find(|(own, _)| own == name)?;
    String::from_utf8(id)
        .ok()
        .filter(|id| is_sound(id.as_bytes()))
}
