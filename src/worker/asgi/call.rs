//! `receive` and `send` of one request. What needs no waiting is done in the call itself.

use std::sync::Arc;

use bytes::Bytes;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;
use pyo3::types::{PyAny, PyBytes, PyDict};

use super::awaitable::{ReadyAwaitable, raise_when_awaited};
use super::core::{AsgiCore, Side};
use super::extensions::Extended;
use super::message::{self, HttpMessageKind};
use super::waiting::{self, Receiver};
use crate::http::BodyEnd;
use crate::worker::exchange::{Backpressure, Exchange, Received};
use crate::worker::files::{NamedFile, Patience};
use crate::worker::key::RequestKey;
use crate::worker::python::leave_forked_child;

/// Data that may have to be compressed is sent without the GIL from this many bytes on.
const DETACH_ABOVE: usize = 1024;

#[pyclass(frozen, module = "rgun", name = "Exchange", freelist = 128)]
pub struct Call {
    pub exchange: Exchange,
    pub core: Arc<AsgiCore>,
    pub extended: Extended,
    /// Set where the app may name files.
    pub named: Option<Box<NamedFile>>,
}

#[pymethods]
impl Call {
    fn receive<'py>(this: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        let py = this.py();
        leave_forked_child(py);
        let call = this.get();
        let received = call.exchange.receive();
        call.core.after_call(py)?;
        match message::event(py, &call.core.names, &received)? {
            Some(event) => ReadyAwaitable::bound(py, event.into_any().unbind()),
            None => waiting::receive(this),
        }
    }

    fn send<'py>(
        this: &Bound<'py, Self>,
        message: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyAny>> {
        raise_when_awaited(this.py(), Self::perform(this, message))
    }

    /// Whether most of what was sent has been passed to the kernel.
    fn poll_send(&self) -> bool {
        self.exchange.may_send()
    }

    /// A future, resolved when `poll_send` may return true.
    fn writable<'py>(
        &self,
        py: Python<'py>,
        create_future: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyAny>> {
        self.wait(py, create_future, Side::Send)
    }
}

impl Receiver for Call {
    fn poll<'py>(this: &Bound<'py, Self>) -> PyResult<Option<Bound<'py, PyDict>>> {
        let (py, call) = (this.py(), this.get());
        let received = call.exchange.receive();
        if !matches!(received, Received::Wait) {
            call.core.after_call(py)?;
        }
        message::event(py, &call.core.names, &received)
    }

    fn core<'c>(this: &'c Bound<'_, Self>) -> &'c AsgiCore {
        &this.get().core
    }

    fn key(this: &Bound<'_, Self>) -> RequestKey {
        this.get().exchange.key()
    }
}

impl Call {
    /// Executes a message of `send()`; returns what `send()` returns.
    fn perform<'py>(
        this: &Bound<'py, Self>,
        message: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let py = this.py();
        leave_forked_child(py);
        let message = message.cast::<PyDict>()?;
        let call = this.get();
        let Self { exchange, core, .. } = call;
        let kind = message::kind(message)?;
        if call.named.as_deref().is_some_and(NamedFile::is_given) {
            Self::skip(call, kind, message)?;
            core.after_call(py)?;
            return Ok(core.done.bind(py).clone().into_any());
        }
        match kind {
            HttpMessageKind::Start => {
                let status = message::status(message)?;
                let headers = message::headers(message)?;
                let fields = headers
                    .iter()
                    .map(|(name, value)| (name.as_bytes(), value.as_bytes()));
                if let Some(named) = &call.named
                    && named.names(status, fields.clone())
                {
                    return Ok(core.done.bind(py).clone().into_any());
                }
                exchange
                    .start(status, None, fields)
                    .map_err(message::error)?;
                if message::flag(message, intern!(py, "trailers"))? {
                    call.extended.announce_trailers();
                }
            }
            HttpMessageKind::Body => {
                let body = message::body(message, &core.names)?;
                let more = message::flag(message, intern!(py, "more_body"))?;
                let end = if more {
                    BodyEnd::More
                } else {
                    call.extended.body_end()
                };
                let sent = if exchange.may_be_coded() && body.as_bytes().len() > DETACH_ABOVE {
                    let (bytes, block) = (body.as_bytes(), lent(&body));
                    py.detach(|| exchange.send_in_step(bytes, end, &|| block.clone()))
                } else {
                    exchange.send_in_step(body.as_bytes(), end, &|| lent(&body))
                };
                core.after_call(py)?;
                // Trailers follow data that may still be being compressed.
                let waits = more || end == BodyEnd::Trailers;
                if sent.map_err(message::error)? == Backpressure::Full && waits {
                    return core.wait_send.bind(py).call1((this,));
                }
            }
            kind => {
                let flow = call.extended.perform(exchange, kind, message)?;
                core.after_call(py)?;
                if flow == Backpressure::Full {
                    return core.wait_send.bind(py).call1((this,));
                }
            }
        }
        Ok(core.done.bind(py).clone().into_any())
    }

    /// A message after a response that names a file: its own body is ignored, and at its end the file is sent.
    fn skip(call: &Call, kind: HttpMessageKind, message: &Bound<'_, PyDict>) -> PyResult<()> {
        let py = message.py();
        let ends = match kind {
            HttpMessageKind::Body | HttpMessageKind::ZeroCopySend => {
                !message::flag(message, intern!(py, "more_body"))?
            }
            HttpMessageKind::PathSend => true,
            HttpMessageKind::Start | HttpMessageKind::Trailers | HttpMessageKind::EarlyHint => {
                false
            }
        };
        if let Some(named) = call.named.as_deref().filter(|_| ends) {
            named.send(&call.exchange, Patience::CachedOnly);
        }
        Ok(())
    }

    fn wait<'py>(
        &self,
        py: Python<'py>,
        create_future: &Bound<'py, PyAny>,
        side: Side,
    ) -> PyResult<Bound<'py, PyAny>> {
        let future = create_future.call0()?;
        self.core
            .wait(py, self.exchange.key(), side, future.clone().unbind());
        Ok(future)
    }
}

/// The app's own block, kept alive as long as needed. Not of a subclass: its destructor could run code of the app.
fn lent(body: &Bound<'_, PyBytes>) -> Option<Bytes> {
    let block = body.is_exact_instance_of::<PyBytes>();
    block.then(|| Bytes::from_owner(PyBackedBytes::from(body.clone())))
}
