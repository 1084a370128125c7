//! The messages of the websocket scope. Invalid ones become exceptions that name the error; they do not reach the
//! client.

use bytes::Bytes;
use pyo3::exceptions::{PyRuntimeError, PyValueError};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::pybacked::{PyBackedBytes, PyBackedStr};
use pyo3::types::{PyBytes, PyDict, PyString};

use super::message::{Headers, error as response_error, wrong_type};
use crate::websocket;
use crate::worker::exchange::SendError;
use crate::worker::python::ClientDisconnected;
use crate::worker::websocket::{SocketError, WebSocketReceived};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WebSocketMessageKind {
    Accept,
    Send,
    Close,
    DenialStart,
    DenialBody,
}

/// The message's `type`.
pub fn kind(message: &Bound<'_, PyDict>) -> PyResult<WebSocketMessageKind> {
    let py = message.py();
    let Some(kind) = message.get_item(intern!(py, "type"))? else {
        return Err(PyValueError::new_err("ASGI message without \"type\""));
    };
    // Literals in the app's code are interned: nearly always the same object.
    if kind.is(intern!(py, "websocket.send")) {
        return Ok(WebSocketMessageKind::Send);
    }
    match kind.cast::<PyString>()?.to_str()? {
        "websocket.accept" => Ok(WebSocketMessageKind::Accept),
        "websocket.send" => Ok(WebSocketMessageKind::Send),
        "websocket.close" => Ok(WebSocketMessageKind::Close),
        "websocket.http.response.start" => Ok(WebSocketMessageKind::DenialStart),
        "websocket.http.response.body" => Ok(WebSocketMessageKind::DenialBody),
        other => Err(PyRuntimeError::new_err(format!(
            "unexpected ASGI message type {other:?} on a websocket connection"
        ))),
    }
}

/// Calls `send` with the one of `text` and `bytes` that is not None, and with a function that keeps it alive.
pub fn with_payload<R>(
    message: &Bound<'_, PyDict>,
    send: impl FnOnce(websocket::MessageKind, &[u8], &dyn Fn() -> Bytes) -> R,
) -> PyResult<R> {
    let py = message.py();
    let present = |key| Ok::<_, PyErr>(message.get_item(key)?.filter(|value| !value.is_none()));
    let text = present(intern!(py, "text"))?;
    let bytes = present(intern!(py, "bytes"))?;
    match (text, bytes) {
        (Some(text), None) => {
            let text = text
                .cast_into::<PyString>()
                .map_err(|e| wrong_type("text", "a str", &e.into_inner()))?;
            let data = text.to_str()?.as_bytes();
            Ok(send(websocket::MessageKind::Text, data, &|| {
                let own = || PyBackedStr::try_from(text.clone()).ok();
                let lent = text.is_exact_instance_of::<PyString>().then(own).flatten();
                lent.map_or_else(|| Bytes::copy_from_slice(data), Bytes::from_owner)
            }))
        }
        (None, Some(bytes)) => match bytes.cast::<PyBytes>() {
            Ok(bytes) => Ok(send_bytes(bytes, send)),
            Err(_) => {
                let name = bytes.get_type().name()?;
                if name != "bytearray" && name != "memoryview" {
                    return Err(wrong_type("bytes", "bytes", &bytes));
                }
                let copy = py.get_type::<PyBytes>().call1((bytes,))?;
                Ok(send_bytes(copy.cast::<PyBytes>()?, send))
            }
        },
        (None, None) => Err(PyValueError::new_err(
            "websocket.send with neither \"text\" nor \"bytes\"",
        )),
        (Some(_), Some(_)) => Err(PyValueError::new_err(
            "websocket.send with both \"text\" and \"bytes\"",
        )),
    }
}

fn send_bytes<R>(
    bytes: &Bound<'_, PyBytes>,
    send: impl FnOnce(websocket::MessageKind, &[u8], &dyn Fn() -> Bytes) -> R,
) -> R {
    let data = bytes.as_bytes();
    send(websocket::MessageKind::Binary, data, &|| {
        // The destructor of a subclass could run code of the app.
        if bytes.is_exact_instance_of::<PyBytes>() {
            Bytes::from_owner(PyBackedBytes::from(bytes.clone()))
        } else {
            Bytes::copy_from_slice(data)
        }
    })
}

/// An optional str.
pub fn text(message: &Bound<'_, PyDict>, key: &Bound<'_, PyString>) -> PyResult<Option<String>> {
    match message.get_item(key)?.filter(|value| !value.is_none()) {
        None => Ok(None),
        Some(value) => match value.cast::<PyString>() {
            Ok(text) => Ok(Some(text.to_str()?.to_owned())),
            Err(_) => Err(wrong_type(key.to_str()?, "a str", &value)),
        },
    }
}

/// The optional `code` of a close.
pub fn code(message: &Bound<'_, PyDict>) -> PyResult<Option<u16>> {
    let py = message.py();
    match message
        .get_item(intern!(py, "code"))?
        .filter(|code| !code.is_none())
    {
        None => Ok(None),
        Some(code) => match code.extract::<i64>() {
            Ok(number) => u16::try_from(number)
                .map(Some)
                .map_err(|_| PyValueError::new_err(format!("invalid close code {number}"))),
            Err(_) => Err(wrong_type("code", "an int", &code)),
        },
    }
}

/// Fields that the handshake itself sets cannot come from the app.
pub fn check_headers(headers: &Headers<'_>) -> PyResult<()> {
    let ours: [&[u8]; 3] = [
        b"sec-websocket-protocol",
        b"sec-websocket-accept",
        b"sec-websocket-extensions",
    ];
    for (name, _) in headers {
        if ours
            .iter()
            .any(|our| name.as_bytes().eq_ignore_ascii_case(our))
        {
            return Err(PyValueError::new_err(format!(
                "websocket.accept must not have the header \"{}\"{}",
                name.as_bytes().escape_ascii(),
                if name.as_bytes().len() == ours[0].len() {
                    ": use \"subprotocol\""
                } else {
                    ""
                }
            )));
        }
    }
    Ok(())
}

/// What `receive()` returns; not called for `Wait`.
pub fn event<'py>(py: Python<'py>, incoming: &WebSocketReceived) -> PyResult<Bound<'py, PyDict>> {
    let event = PyDict::new(py);
    let kind = intern!(py, "type");
    match incoming {
        WebSocketReceived::Connect => event.set_item(kind, intern!(py, "websocket.connect"))?,
        WebSocketReceived::Message(message) => {
            event.set_item(kind, intern!(py, "websocket.receive"))?;
            match message.kind {
                websocket::MessageKind::Text => event.set_item(
                    intern!(py, "text"),
                    PyString::from_bytes(py, &message.data)?,
                )?,
                websocket::MessageKind::Binary => {
                    event.set_item(intern!(py, "bytes"), PyBytes::new(py, &message.data))?
                }
            }
        }
        WebSocketReceived::Disconnect(ended) => {
            event.set_item(kind, intern!(py, "websocket.disconnect"))?;
            event.set_item(intern!(py, "code"), ended.code)?;
            event.set_item(intern!(py, "reason"), &ended.reason)?;
        }
        WebSocketReceived::Wait => {}
    }
    Ok(event)
}

/// The exception that `send` raises.
pub fn error(error: SocketError) -> PyErr {
    match error {
        SocketError::Gone => ClientDisconnected::new_err("the WebSocket is closed"),
        SocketError::Order(_) => PyRuntimeError::new_err(error.to_string()),
        SocketError::Value(_) => PyValueError::new_err(error.to_string()),
        SocketError::Response(error) => response_error(SendError::Response(error)),
    }
}
