//! `receive` and `send` of one WebSocket. What needs no waiting is done in the call itself.

use std::sync::Arc;

use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyAny, PyDict};

use super::awaitable::{ReadyAwaitable, raise_when_awaited};
use super::core::{AsgiCore, Side};
use super::message;
use super::waiting::{self, Receiver};
use super::websocket_message::{self, WebSocketMessageKind};
use crate::http::BodyEnd;
use crate::worker::exchange::Backpressure;
use crate::worker::key::RequestKey;
use crate::worker::python::leave_forked_child;
use crate::worker::websocket::{WebSocketHandle, WebSocketReceived};

#[pyclass(frozen, module = "rgun", name = "WebSocket", freelist = 128)]
pub struct SocketCall {
    pub socket: WebSocketHandle,
    pub core: Arc<AsgiCore>,
}

#[pymethods]
impl SocketCall {
    fn receive<'py>(this: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        let py = this.py();
        leave_forked_child(py);
        let call = this.get();
        let incoming = call.socket.receive();
        if matches!(incoming, WebSocketReceived::Wait) {
            return waiting::receive(this);
        }
        call.core.after_call(py)?;
        let event = websocket_message::event(py, &incoming)?;
        ReadyAwaitable::bound(py, event.into_any().unbind())
    }

    fn send<'py>(
        this: &Bound<'py, Self>,
        message: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let py = this.py();
        leave_forked_child(py);
        let core = &this.get().core;
        let sent = this.get().perform(message).and_then(|flow| match flow {
            Backpressure::Full => core.wait_send.bind(py).call1((this,)),
            Backpressure::Free => Ok(core.done.bind(py).clone().into_any()),
        });
        core.after_call(py)?;
        raise_when_awaited(py, sent)
    }

    /// Whether most of what was sent has been passed to the kernel.
    fn poll_send(&self) -> bool {
        self.socket.exchange.may_send()
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

impl Receiver for SocketCall {
    fn poll<'py>(this: &Bound<'py, Self>) -> PyResult<Option<Bound<'py, PyDict>>> {
        let (py, call) = (this.py(), this.get());
        let incoming = call.socket.receive();
        if matches!(incoming, WebSocketReceived::Wait) {
            return Ok(None);
        }
        call.core.after_call(py)?;
        websocket_message::event(py, &incoming).map(Some)
    }

    fn core<'c>(this: &'c Bound<'_, Self>) -> &'c AsgiCore {
        &this.get().core
    }

    fn key(this: &Bound<'_, Self>) -> RequestKey {
        this.get().socket.exchange.key()
    }
}

impl SocketCall {
    fn perform(&self, message: &Bound<'_, PyAny>) -> PyResult<Backpressure> {
        let py = message.py();
        let message = message.cast::<PyDict>()?;
        let socket = &self.socket;
        let result = match websocket_message::kind(message)? {
            WebSocketMessageKind::Send => {
                return websocket_message::with_payload(message, |kind, data, lend| {
                    socket.send(kind, data, lend)
                })?
                .map_err(websocket_message::error);
            }
            WebSocketMessageKind::Accept => {
                let protocol = websocket_message::text(message, intern!(py, "subprotocol"))?;
                let headers = message::headers(message)?;
                websocket_message::check_headers(&headers)?;
                let fields = headers
                    .iter()
                    .map(|(name, value)| (name.as_bytes(), value.as_bytes()));
                socket.accept(protocol.as_deref().map(str::as_bytes), fields)
            }
            WebSocketMessageKind::Close => {
                let code = websocket_message::code(message)?;
                let reason = websocket_message::text(message, intern!(py, "reason"))?;
                socket.close(code, reason.as_deref().unwrap_or(""))
            }
            WebSocketMessageKind::DenialStart => {
                let status = message::status(message)?;
                let headers = message::headers(message)?;
                let fields = headers
                    .iter()
                    .map(|(name, value)| (name.as_bytes(), value.as_bytes()));
                return socket
                    .exchange
                    .start(status, None, fields)
                    .map(|()| Backpressure::Free)
                    .map_err(message::error);
            }
            WebSocketMessageKind::DenialBody => {
                let body = message::body(message, &self.core.names)?;
                let end = if message::flag(message, intern!(py, "more_body"))? {
                    BodyEnd::More
                } else {
                    BodyEnd::Last
                };
                return socket
                    .exchange
                    .send(body.as_bytes(), end)
                    .map_err(message::error);
            }
        };
        result
            .map(|()| Backpressure::Free)
            .map_err(websocket_message::error)
    }

    fn wait<'py>(
        &self,
        py: Python<'py>,
        create_future: &Bound<'py, PyAny>,
        side: Side,
    ) -> PyResult<Bound<'py, PyAny>> {
        let future = create_future.call0()?;
        let key = self.socket.exchange.key();
        self.core.wait(py, key, side, future.clone().unbind());
        Ok(future)
    }
}
