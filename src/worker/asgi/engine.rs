//! The reactor for the Python event loop: what the loop sleeps in, and where requests become tasks.

use std::collections::HashSet;
use std::os::fd::AsRawFd;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use parking_lot::Mutex;
use pyo3::exceptions::PyOSError;
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::PyDict;

use super::call::Call;
use super::core::{AsgiCore, Side};
use super::extensions::Extended;
use super::inbox::{AsgiHandler, InboxItem};
use super::run::{Run, Subject, log_failure};
use super::scope;
use super::websocket::SocketCall;
use crate::config::GarbageCollection;
use crate::http::RequestHead;
use crate::ipc::FromWorker;
use crate::worker::WorkerContext;
use crate::worker::exchange::{Ending, Exchange};
use crate::worker::files::NamedFile;
use crate::worker::garbage::Garbage;
use crate::worker::key::RequestKey;
use crate::worker::python::{
    ForkReturn, Scripts, contained, in_worker, leave_forked_child, tell_interrupt,
};
use crate::worker::reactor::{Reactor, WatchNew};
use crate::worker::sentinel::MasterCommand;
use crate::worker::websocket::WebSocketHandle;

/// How tasks are created.
const FACTORY: u8 = 0;
const PLAIN: u8 = 1;
const EAGER: u8 = 2;

#[pyclass(frozen, module = "rgun")]
pub struct Engine {
    core: Arc<AsgiCore>,
    reactor: Arc<Mutex<Option<Reactor>>>,
    event_loop: OnceLock<Py<PyAny>>,
    task_type: Py<PyAny>,
    task_options: Py<PyDict>,
    task_style: AtomicU8,
    on_command: Mutex<Option<Py<PyAny>>>,
    on_quiet: Mutex<Option<Py<PyAny>>>,
    draining: AtomicBool,
    /// Set when the app has started.
    garbage: OnceLock<Garbage>,
}

impl Engine {
    pub fn new(
        py: Python<'_>,
        context: Arc<WorkerContext>,
        scripts: &Scripts,
        app: Py<PyAny>,
    ) -> PyResult<Self> {
        let reactor = Reactor::new(&context, WatchNew::AtOnce)?;
        let reactor = Arc::new(Mutex::new(Some(reactor)));
        let core = Arc::new(AsgiCore::new(py, context, scripts, app)?);
        let handler = Arc::new(AsgiHandler {
            inbox: core.inbox.clone(),
            unbegun: core.unbegun.clone(),
            reactor: reactor.clone(),
        });
        core.context.net.set_app(handler.clone());
        core.context.requests.set_handler(handler);
        Ok(Self {
            core,
            reactor,
            event_loop: OnceLock::new(),
            task_type: py.import("asyncio")?.getattr("Task")?.unbind(),
            task_options: PyDict::new(py).unbind(),
            task_style: AtomicU8::new(FACTORY),
            on_command: Mutex::new(None),
            on_quiet: Mutex::new(None),
            draining: AtomicBool::new(false),
            garbage: OnceLock::new(),
        })
    }

    /// Attaches the loop; requests become its tasks.
    pub fn attach(&self, event_loop: &Bound<'_, PyAny>) -> PyResult<()> {
        let py = event_loop.py();
        self.core.attach(event_loop)?;
        self.task_options
            .bind(py)
            .set_item(intern!(py, "loop"), event_loop)?;
        if py.version_info() >= (3, 12) {
            self.task_options
                .bind(py)
                .set_item(intern!(py, "eager_start"), true)?;
        }
        // A second loop for one engine would be a bug of ours; the first one is kept.
        drop(self.event_loop.set(event_loop.clone().unbind()));
        Ok(())
    }

    fn turn_reactor(&self, py: Python<'_>, timeout: Option<Duration>) -> PyResult<bool> {
        let turn = || {
            self.reactor
                .lock()
                .as_mut()
                .map_or(Ok(false), |reactor| reactor.turn(timeout))
        };
        self.core.asked.store(false, Relaxed);
        self.core.turning.store(true, Relaxed);
        let ready = if timeout.is_some_and(|t| t.is_zero()) {
            turn()
        } else {
            py.detach(turn)
        };
        self.core.turning.store(false, Relaxed);
        self.core.inbox.turned();
        Ok(ready?)
    }

    /// Turns the queued items of the network side into tasks and results. Items queued while this runs wait for the
    /// next turn: a task that is started eagerly may send its response and so trigger the next request of its
    /// connection, without end.
    fn dispatch(&self, py: Python<'_>) -> PyResult<()> {
        let mut expired = HashSet::new();
        for _ in 0..self.core.inbox.len() {
            let Some(item) = self.core.inbox.pop() else {
                break;
            };
            match item {
                InboxItem::Request(exchange, head) => self.request(py, exchange, head)?,
                InboxItem::Readable(key) => self.core.resolve(py, key, Side::Receive)?,
                InboxItem::Writable(key) => self.core.resolve(py, key, Side::Send)?,
                InboxItem::Expired(key) => drop(expired.insert(key)),
                InboxItem::Quiet => self.notify_quiet(py)?,
            }
        }
        if !expired.is_empty() {
            self.cancel(py, &expired);
        }
        while let Some(command) = self.core.context.commands.take() {
            self.obey(py, command)?;
        }
        Ok(())
    }

    fn request(&self, py: Python<'_>, exchange: Exchange, head: RequestHead) -> PyResult<()> {
        let core = &self.core;
        // An eager task begins with its creation.
        let waits = self.task_style.load(Relaxed) != EAGER && core.app_is_coroutine_function;
        let unbegun = waits.then(|| exchange.clone());
        let (scope, call, subject) = if core.context.net.is_handshake(&head) {
            let scope = scope::websocket(py, core, &exchange, &head)?;
            let socket = WebSocketHandle { exchange };
            let call = SocketCall {
                socket: socket.clone(),
                core: core.clone(),
            };
            let call = Bound::new(py, call)?.into_any();
            (scope, call, Subject::WebSocket(socket))
        } else {
            let scope = scope::http(py, core, &exchange, &head)?;
            let call = Call {
                exchange: exchange.clone(),
                core: core.clone(),
                extended: Extended::new(&head),
                named: NamedFile::of(&exchange, &head),
            };
            let call = Bound::new(py, call)?.into_any();
            (scope, call, Subject::Http(exchange))
        };
        let receive = call.getattr(intern!(py, "receive"))?;
        let send = call.getattr(intern!(py, "send"))?;
        let coroutine =
            contained(|| core.app.bind(py).call1((&scope, receive, send))).and_then(|made| {
                let made = made?;
                if made.get_type().is(core.coroutine_type.bind(py)) {
                    Ok(made)
                } else {
                    core.coroutine_of.bind(py).call1((made,))
                }
            });
        let coroutine = in_worker(py, coroutine, |made| ForkReturn::ToAnEnd(made.map(drop)));
        match coroutine {
            Ok(coroutine) => {
                let run = Run::new(coroutine.unbind(), subject, scope.unbind(), core.clone());
                if let Some(exchange) = unbegun {
                    run.wait();
                    core.unbegun.add(exchange, head);
                }
                let run = Bound::new(py, run)?;
                match self.task(py, &run) {
                    Ok(task) => run.get().keep(&task),
                    Err(error) => run.get().refused(py, &error)?,
                }
            }
            Err(error) => {
                let verdict = subject.ended(Ending::Failed);
                log_failure(core, &scope, &error, verdict);
            }
        }
        Ok(())
    }

    fn task<'py>(&self, py: Python<'py>, run: &Bound<'py, Run>) -> PyResult<Bound<'py, PyAny>> {
        if self.task_style.load(Relaxed) == FACTORY {
            let event_loop = self
                .event_loop
                .get()
                .expect("the loop is attached before requests come");
            return event_loop
                .bind(py)
                .call_method1(intern!(py, "create_task"), (run,));
        }
        self.task_type
            .bind(py)
            .call((run,), Some(self.task_options.bind(py)))
    }

    /// Rare, hence the search: tasks are not indexed by connection. One search for all, since many may have started
    /// at once.
    fn cancel(&self, py: Python<'_>, expired: &HashSet<RequestKey>) {
        for task in self.core.tasks(py) {
            let task = task.bind(py);
            // The app's task factory may make tasks of other kinds.
            let Ok(coroutine) = task.call_method0(intern!(py, "get_coro")) else {
                continue;
            };
            if let Ok(run) = coroutine.cast::<Run>()
                && expired.contains(&run.get().key())
            {
                run.get().log_timeout(py);
                if let Err(error) = task.call_method0(intern!(py, "cancel")) {
                    tracing::error!(%error, "a request cannot be cancelled");
                }
            }
        }
    }

    fn obey(&self, py: Python<'_>, command: MasterCommand) -> PyResult<()> {
        let kind = match command {
            MasterCommand::Drain { until, end } => {
                self.core.context.set_deadline(until, end);
                intern!(py, "drain")
            }
            MasterCommand::Fast { end } => {
                self.core.context.set_deadline(0, end);
                tell_interrupt(py);
                intern!(py, "fast")
            }
            MasterCommand::Stacks { number } => {
                let text = self.core.stacks.text(py);
                self.core.context.send(&FromWorker::Stacks { number, text });
                return Ok(());
            }
        };
        self.draining.store(true, Relaxed);
        if let Some(reactor) = self.reactor.lock().as_mut() {
            reactor.drain();
        }
        let callback = self.on_command.lock().as_ref().map(|f| f.clone_ref(py));
        if let Some(callback) = callback {
            callback.call1(py, (kind,))?;
        }
        self.notify_quiet(py)
    }

    fn notify_quiet(&self, py: Python<'_>) -> PyResult<()> {
        if !self.end_if_quiet() {
            return Ok(());
        }
        let callback = self.on_quiet.lock().as_ref().map(|f| f.clone_ref(py));
        if let Some(callback) = callback {
            callback.call0(py)?;
        }
        Ok(())
    }
}

#[pymethods]
impl Engine {
    /// Called by the asyncio loop's `select`; a negative timeout means for ever. True: descriptors of the loop may be
    /// ready.
    fn wait(&self, py: Python<'_>, timeout: f64) -> PyResult<bool> {
        leave_forked_child(py);
        // One look: the sentinel may empty the inbox between two.
        let timeout = match self.core.inbox.is_empty() {
            true if timeout < 0.0 => None,
            true => Some(Duration::from_secs_f64(timeout.min(86_400.0))),
            false => Some(Duration::ZERO),
        };
        let look_again = self.look_at_garbage(py)?;
        let timeout = look_again.map_or(timeout, |time| {
            let time = Duration::from_secs_f64(time);
            Some(timeout.map_or(time, |timeout| timeout.min(time)))
        });
        let loop_ready = self.turn_reactor(py, timeout)?;
        self.dispatch(py)?;
        Ok(loop_ready)
    }

    /// uvloop: a turn without sleeping. True: call again soon.
    fn turn(&self, py: Python<'_>) -> PyResult<bool> {
        leave_forked_child(py);
        let _work = self.core.context.net.busy.step();
        self.turn_reactor(py, Some(Duration::ZERO))?;
        self.dispatch(py)?;
        let is_hot = self.reactor.lock().as_ref().is_some_and(Reactor::is_hot);
        Ok(is_hot || !self.core.inbox.is_empty())
    }

    fn collects_when_idle(&self) -> bool {
        self.core.context.net.settings.garbage_collection == GarbageCollection::Idle
    }

    /// Runs a garbage collection if it is the moment. Seconds until this must be called again; none: with the next turn.
    fn look_at_garbage(&self, py: Python<'_>) -> PyResult<Option<f64>> {
        let look_again = self.garbage.get().map(|garbage| garbage.look(py));
        Ok(look_again
            .transpose()?
            .flatten()
            .map(|time| time.as_secs_f64()))
    }

    /// asyncio: adds the selector's own epoll descriptor.
    fn watch(&self, fd: i32) -> PyResult<()> {
        let fd = crate::sys::duplicate(fd)?;
        match self.reactor.lock().as_mut() {
            Some(reactor) => Ok(reactor.watch_loop(fd)?),
            None => Err(PyOSError::new_err("the engine is closed")),
        }
    }

    /// uvloop: the descriptor that is readable when `turn` has something to do.
    fn fileno(&self) -> i32 {
        self.reactor.lock().as_ref().map_or(-1, AsRawFd::as_raw_fd)
    }

    /// uvloop: schedules `turn`.
    fn on_work(&self, soon: Py<PyAny>) {
        // Set once by our own script.
        drop(self.core.soon.set(soon));
    }

    fn on_command(&self, callback: Py<PyAny>) {
        *self.on_command.lock() = Some(callback);
    }

    fn on_quiet(&self, callback: Py<PyAny>) {
        *self.on_quiet.lock() = Some(callback);
    }

    fn set_state(&self, state: Py<PyDict>) {
        // Set once by our own script.
        drop(self.core.state.set(state));
    }

    /// Serves a connected socket whose other end the worker itself holds; the caller closes its own descriptor.
    fn adopt(&self, fd: i32) -> PyResult<()> {
        let fd = crate::sys::duplicate(fd)?;
        if let Some(reactor) = self.reactor.lock().as_mut() {
            reactor.add_own(fd);
        }
        Ok(())
    }

    /// Requests can be served: from here on commands of the master are executed, also during the ready-path request.
    fn listen(&self, py: Python<'_>) -> PyResult<()> {
        let event_loop = self.event_loop.get().expect("attached");
        let factory = event_loop
            .bind(py)
            .call_method0(intern!(py, "get_task_factory"))?;
        let style = if !factory.is_none() {
            FACTORY
        } else if py.version_info() >= (3, 12) {
            EAGER
        } else {
            PLAIN
        };
        self.task_style.store(style, Relaxed);
        self.core.context.listen();
        Ok(())
    }

    fn ready(&self, py: Python<'_>) -> PyResult<()> {
        let garbage = Garbage::attend(py, &self.core.context.net)?;
        // Called once, by our own script.
        drop(self.garbage.set(garbage));
        self.core.context.ready();
        Ok(())
    }

    fn not_ready(&self, summary: &str) {
        self.core
            .context
            .failed(crate::ipc::Phase::ReadyPath, summary, "");
    }

    /// Seconds left of the grace period.
    fn time_left(&self) -> f64 {
        self.core.context.time_left().as_secs_f64()
    }

    /// Seconds that one step of the shutdown may take.
    fn time_for_a_step(&self) -> f64 {
        self.core.context.time_for_a_step().as_secs_f64()
    }

    /// Seconds to wait for threads. A worker that ends by a failure has no grace period.
    fn time_for_threads(&self) -> f64 {
        if self.draining.load(Relaxed) {
            self.core.context.time_for_threads().as_secs_f64()
        } else {
            2.0
        }
    }

    fn leave_threads(&self, count: u32) {
        self.core.context.leave_threads(count);
    }

    /// True: the worker drains, and neither a connection nor a request is left. No connection is accepted from then on.
    fn end_if_quiet(&self) -> bool {
        if !self.draining.load(Relaxed) {
            return false;
        }
        // A connection that a turn beside this thread takes from the intake is counted when it has ended.
        let _no_turn = self.reactor.lock();
        let net = &self.core.context.net;
        net.connections() == 0 && self.core.running() == 0 && net.intake.close_if_empty()
    }

    /// The grace period is over: no connection is accepted any more.
    fn end_intake(&self) {
        self.core.context.net.intake.close();
    }

    fn tasks(&self, py: Python<'_>) -> Vec<Py<PyAny>> {
        self.core.tasks(py)
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(self.event_loop.get())?;
        visit.call(&self.task_type)?;
        visit.call(&self.task_options)?;
        for callback in [&self.on_command, &self.on_quiet] {
            if let Some(callback) = callback.try_lock() {
                visit.call(&*callback)?;
            }
        }
        Ok(())
    }

    /// The loop and the task options live as long as the worker; the callbacks that the script has set do not.
    fn __clear__(&self) {
        drop(self.on_command.lock().take());
        drop(self.on_quiet.lock().take());
    }

    fn close_connections(&self) {
        if let Some(reactor) = self.reactor.lock().as_mut() {
            reactor.close_all();
        }
    }

    fn close(&self, py: Python<'_>) -> PyResult<()> {
        self.close_connections();
        *self.reactor.lock() = None;
        match self.garbage.get() {
            Some(garbage) => garbage.leave(py),
            None => Ok(()),
        }
    }
}
