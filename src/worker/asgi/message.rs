//! The messages between app and server. Invalid ones become exceptions that name the error; they do not reach the
//! client.

use pyo3::exceptions::{PyRuntimeError, PyTypeError, PyValueError};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyString};
use smallvec::SmallVec;

use super::names::AsgiNames;
use crate::http::ResponseError;
use crate::worker::exchange::{Received, SendError};
use crate::worker::python::ClientDisconnected;

pub type Headers<'py> = SmallVec<[(Bound<'py, PyBytes>, Bound<'py, PyBytes>); 16]>;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HttpMessageKind {
    Start,
    Body,
    Trailers,
    EarlyHint,
    PathSend,
    ZeroCopySend,
}

/// The message's `type`.
pub fn kind(message: &Bound<'_, PyDict>) -> PyResult<HttpMessageKind> {
    let py = message.py();
    let Some(kind) = message.get_item(intern!(py, "type"))? else {
        return Err(PyValueError::new_err("ASGI message without \"type\""));
    };
    // Literals in the app's code are interned: nearly always the same object.
    if kind.is(intern!(py, "http.response.body")) {
        return Ok(HttpMessageKind::Body);
    }
    if kind.is(intern!(py, "http.response.start")) {
        return Ok(HttpMessageKind::Start);
    }
    match kind.cast::<PyString>()?.to_str()? {
        "http.response.start" => Ok(HttpMessageKind::Start),
        "http.response.body" => Ok(HttpMessageKind::Body),
        "http.response.trailers" => Ok(HttpMessageKind::Trailers),
        "http.response.early_hint" => Ok(HttpMessageKind::EarlyHint),
        "http.response.pathsend" => Ok(HttpMessageKind::PathSend),
        "http.response.zerocopysend" => Ok(HttpMessageKind::ZeroCopySend),
        other => Err(PyRuntimeError::new_err(format!(
            "unexpected ASGI message type {other:?} on an http connection"
        ))),
    }
}

pub fn status(message: &Bound<'_, PyDict>) -> PyResult<u16> {
    let py = message.py();
    let Some(status) = message.get_item(intern!(py, "status"))? else {
        return Err(PyValueError::new_err(
            "http.response.start without \"status\"",
        ));
    };
    match status.extract::<i64>() {
        Ok(number) => u16::try_from(number)
            .map_err(|_| PyValueError::new_err(format!("invalid response status {number}"))),
        Err(_) => Err(wrong_type("status", "an int", &status)),
    }
}

/// Any iterable of pairs of bytes; absent: none.
pub fn headers<'py>(message: &Bound<'py, PyDict>) -> PyResult<Headers<'py>> {
    let py = message.py();
    let mut found = Headers::new();
    let Some(headers) = message.get_item(intern!(py, "headers"))? else {
        return Ok(found);
    };
    for pair in headers.try_iter()? {
        let pair = pair?;
        let (name, value) = match pair.extract::<(Bound<'py, PyAny>, Bound<'py, PyAny>)>() {
            Ok(pair) => pair,
            Err(_) => {
                let items = pair.try_iter()?.collect::<PyResult<Vec<_>>>()?;
                let Ok([name, value]) = <[_; 2]>::try_from(items) else {
                    return Err(PyValueError::new_err(
                        "a header is not a pair of name and value",
                    ));
                };
                (name, value)
            }
        };
        let name = name
            .cast_into::<PyBytes>()
            .map_err(|e| wrong_type("header name", "bytes", &e.into_inner()))?;
        let value = value
            .cast_into::<PyBytes>()
            .map_err(|e| wrong_type("header value", "bytes", &e.into_inner()))?;
        found.push((name, value));
    }
    Ok(found)
}

/// `body` of a message, empty when absent.
pub fn body<'py>(message: &Bound<'py, PyDict>, names: &AsgiNames) -> PyResult<Bound<'py, PyBytes>> {
    let py = message.py();
    match message.get_item(intern!(py, "body"))? {
        None => Ok(names.empty.bind(py).clone()),
        Some(body) => match body.cast_into::<PyBytes>() {
            Ok(bytes) => Ok(bytes),
            Err(error) => {
                let other = error.into_inner();
                let kind = other.get_type();
                let name = kind.name()?;
                if name == "bytearray" || name == "memoryview" {
                    Ok(py.get_type::<PyBytes>().call1((other,))?.cast_into()?)
                } else {
                    Err(wrong_type("body", "bytes", &other))
                }
            }
        },
    }
}

pub fn flag(message: &Bound<'_, PyDict>, key: &Bound<'_, PyString>) -> PyResult<bool> {
    message
        .get_item(key)?
        .map_or(Ok(false), |value| value.is_truthy())
}

pub fn wrong_type(what: &str, expected: &str, found: &Bound<'_, PyAny>) -> PyErr {
    let name = found
        .get_type()
        .name()
        .map_or_else(|_| "?".to_owned(), |name| name.to_string());
    PyTypeError::new_err(format!("{what} must be {expected}, not {name}"))
}

/// What `receive()` returns; `None`: nothing yet.
pub fn event<'py>(
    py: Python<'py>,
    names: &AsgiNames,
    received: &Received,
) -> PyResult<Option<Bound<'py, PyDict>>> {
    let event = PyDict::new(py);
    match received {
        Received::Wait => return Ok(None),
        Received::Disconnect => {
            event.set_item(intern!(py, "type"), intern!(py, "http.disconnect"))?
        }
        Received::Body { piece, more } => {
            event.set_item(intern!(py, "type"), intern!(py, "http.request"))?;
            event.set_item(intern!(py, "body"), names.bytes(py, piece))?;
            event.set_item(intern!(py, "more_body"), *more)?;
        }
    }
    Ok(Some(event))
}

/// The exception that `send` raises.
pub fn error(error: SendError) -> PyErr {
    match error {
        SendError::Gone => ClientDisconnected::new_err("the client has closed the connection"),
        SendError::Response(
            ResponseError::InvalidStatus(_)
            | ResponseError::InformationalStatus(_)
            | ResponseError::InvalidReason
            | ResponseError::InvalidName(_)
            | ResponseError::InvalidValue(_)
            | ResponseError::InvalidContentLength(_)
            | ResponseError::TooManyFields,
        ) => PyValueError::new_err(error.to_string()),
        SendError::FileInProgress | SendError::Response(_) => {
            PyRuntimeError::new_err(error.to_string())
        }
    }
}
