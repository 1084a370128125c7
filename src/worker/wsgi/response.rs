//! `start_response` of one request, and the `write` that it returns.

use std::borrow::Cow;
use std::sync::atomic::{AtomicBool, AtomicU16, Ordering::Relaxed};

use pyo3::exceptions::{PyAssertionError, PyOSError, PyRuntimeError, PyTypeError, PyValueError};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;
use pyo3::types::{PyBytes, PyList, PyString, PyTuple};
use smallvec::SmallVec;

use super::hop_by_hop;
use super::thread::Thread;
use crate::http::{BodyEnd, RequestHead, ResponseError, ResponseState};
use crate::worker::exchange::{Exchange, SendError};
use crate::worker::files::{NamedFile, Patience};
use crate::worker::python::{ClientDisconnected, leave_forked_child, to_latin1, type_name};

/// Blocks above this many bytes are sent without the GIL: below, releasing it costs more than the copy.
const DETACH_ABOVE: usize = 32 * 1024;
/// The same where they may have to be compressed.
const CODED_ABOVE: usize = 1024;

#[pyclass(frozen, module = "rgun", name = "StartResponse", freelist = 64)]
pub struct StartResponse {
    pub exchange: Exchange,
    pub thread: Thread,
    called: AtomicBool,
    status: AtomicU16,
    named: Option<Box<NamedFile>>,
}

type Pairs<'py> = SmallVec<[(Bound<'py, PyString>, Bound<'py, PyString>); 16]>;

#[pymethods]
impl StartResponse {
    // Positional in PEP 3333; by these names wherever there is gunicorn or wsgiref.
    #[pyo3(signature = (status, headers, exc_info=None))]
    fn __call__<'py>(
        this: &Bound<'py, Self>,
        status: &Bound<'py, PyAny>,
        headers: &Bound<'py, PyAny>,
        exc_info: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let response = this.get();
        if let Some(exc_info) = exc_info {
            response.replace(status, headers, exc_info)?;
        } else if response.called.load(Relaxed) {
            return Err(PyAssertionError::new_err(
                "start_response was called a second time without exc_info",
            ));
        } else {
            response.start(status, headers)?;
        }
        this.getattr(intern!(this.py(), "write"))
    }

    /// PEP 3333's imperative way to send: the block is sent when this returns.
    fn write(&self, py: Python<'_>, data: &Bound<'_, PyAny>) -> PyResult<()> {
        let data = block(data)?;
        if data.as_bytes().is_empty() {
            return Ok(());
        }
        self.send(py, data, BodyEnd::More).map_err(error)
    }

    /// `wsgi.early_hints`: a 103 with these headers, before the response.
    fn early_hints(&self, headers: &Bound<'_, PyAny>) -> PyResult<()> {
        let pairs = pairs(headers)?;
        self.exchange
            .inform(103, fields(&pairs)?.iter().map(as_bytes))
            .map_err(error)
    }
}

impl StartResponse {
    pub fn new(exchange: Exchange, thread: Thread, head: &RequestHead) -> Self {
        Self {
            named: NamedFile::of(&exchange, head),
            exchange,
            thread,
            called: AtomicBool::new(false),
            status: AtomicU16::new(0),
        }
    }

    /// Of the last call; 0 before one.
    pub fn status(&self) -> u16 {
        self.status.load(Relaxed)
    }

    fn start(&self, status: &Bound<'_, PyAny>, headers: &Bound<'_, PyAny>) -> PyResult<()> {
        let text = native(status, "status")?;
        let line = to_latin1(text, "status")?;
        let (code, reason) = split_status(&line)?;
        let pairs = pairs(headers)?;
        let fields = fields(&pairs)?;
        let reason = (reason != crate::http::reason_phrase(code).as_bytes()).then_some(reason);
        let kept = fields.iter().filter(|(name, _)| !hop_by_hop::is(name));
        if let Some(named) = &self.named
            && named.names(code, kept.clone().map(as_bytes))
        {
            self.status.store(code, Relaxed);
            self.called.store(true, Relaxed);
            return Ok(());
        }
        let started = if self.called.load(Relaxed) {
            self.exchange.restart(code, reason, kept.map(as_bytes))
        } else {
            self.exchange.start(code, reason, kept.map(as_bytes))
        };
        match started {
            // The app is not at fault: its next send reports it.
            Ok(()) | Err(SendError::Gone) => {}
            Err(e) => return Err(error(e)),
        }
        self.status.store(code, Relaxed);
        self.called.store(true, Relaxed);
        Ok(())
    }

    /// `start_response(…, exc_info)`: another response, or re-raises the error if the head was sent.
    fn replace(
        &self,
        status: &Bound<'_, PyAny>,
        headers: &Bound<'_, PyAny>,
        exc_info: &Bound<'_, PyAny>,
    ) -> PyResult<()> {
        let sent = matches!(
            self.exchange.response_state(),
            ResponseState::Streaming | ResponseState::Complete | ResponseState::Aborted
        );
        if self.called.load(Relaxed) && sent {
            let value = exc_info.get_item(1)?;
            let error = PyErr::from_value(value);
            if let Ok(traceback) = exc_info.get_item(2)?.cast_into() {
                error.set_traceback(exc_info.py(), Some(traceback));
            }
            return Err(error);
        }
        self.start(status, headers)
    }

    /// The app has named a file that replaces the body.
    pub fn names_file(&self) -> bool {
        self.named.as_deref().is_some_and(NamedFile::is_given)
    }

    /// Sends one block. What the client does not read is kept, up to a bound; above it the thread waits.
    pub fn send(
        &self,
        py: Python<'_>,
        data: &Bound<'_, PyBytes>,
        end: BodyEnd,
    ) -> Result<(), SendError> {
        leave_forked_child(py);
        let bytes = data.as_bytes();
        let Self {
            exchange, thread, ..
        } = self;
        if let Some(named) = self.named.as_deref().filter(|named| named.is_given()) {
            // The body that the app sends itself is ignored.
            if end != BodyEnd::More {
                py.detach(|| named.send(exchange, Patience::Blocking));
                thread.progress();
            }
            return Ok(());
        }
        let detach_above = if exchange.may_be_coded() {
            CODED_ABOVE
        } else {
            DETACH_ABOVE
        };
        if bytes.len() > detach_above {
            // Not a subclass: its destructor could run code of the app.
            let exact = data.is_exact_instance_of::<PyBytes>();
            let block = exact.then(|| PyBackedBytes::from(data.clone()));
            return py.detach(|| thread.send(exchange, bytes, end, block));
        }
        let flow = thread.put(exchange, bytes, end)?;
        if flow == crate::worker::exchange::Backpressure::Full && end == BodyEnd::More {
            py.detach(|| thread.wait_to_send(exchange));
        }
        thread.progress();
        Ok(())
    }
}

/// A block of a body.
pub fn block<'a, 'py>(data: &'a Bound<'py, PyAny>) -> PyResult<&'a Bound<'py, PyBytes>> {
    data.cast().map_err(|_| {
        PyTypeError::new_err(format!(
            "a block of the response body must be bytes, not {}",
            type_name(data)
        ))
    })
}

fn native<'a, 'py>(text: &'a Bound<'py, PyAny>, what: &str) -> PyResult<&'a Bound<'py, PyString>> {
    text.cast()
        .map_err(|_| PyTypeError::new_err(format!("{what} must be str, not {}", type_name(text))))
}

/// `404 Not Found` → 404 and `Not Found`.
fn split_status(line: &[u8]) -> PyResult<(u16, &[u8])> {
    let code = line
        .get(..3)
        .filter(|code| code.iter().all(u8::is_ascii_digit))
        .map(|code| {
            code.iter()
                .fold(0, |n, digit| n * 10 + u16::from(digit - b'0'))
        });
    let reason = match line.get(3..) {
        Some(b"") => Some(&b""[..]),
        Some([b' ', reason @ ..]) => Some(reason),
        _ => None,
    };
    code.zip(reason).ok_or_else(|| {
        PyValueError::new_err(format!(
            "status must be like \"200 OK\", not \"{}\"",
            line.escape_ascii()
        ))
    })
}

/// A list of pairs of native strings; other iterables of pairs are accepted too, as gunicorn does.
fn pairs<'py>(headers: &Bound<'py, PyAny>) -> PyResult<Pairs<'py>> {
    let mut found = Pairs::new();
    if let Ok(list) = headers.cast::<PyList>() {
        for item in list {
            found.push(pair(&item)?);
        }
        return Ok(found);
    }
    if headers.is_instance_of::<PyString>()
        || headers.is_instance_of::<PyBytes>()
        || headers.is_instance_of::<pyo3::types::PyDict>()
    {
        let name = type_name(headers);
        return Err(PyTypeError::new_err(format!(
            "headers must be a list of (name, value), not {name}"
        )));
    }
    let items = headers.try_iter().map_err(|_| {
        let name = type_name(headers);
        PyTypeError::new_err(format!(
            "headers must be a list of (name, value), not {name}"
        ))
    })?;
    for item in items {
        found.push(pair(&item?)?);
    }
    Ok(found)
}

fn pair<'py>(item: &Bound<'py, PyAny>) -> PyResult<(Bound<'py, PyString>, Bound<'py, PyString>)> {
    let (name, value) = match item.cast::<PyTuple>() {
        Ok(tuple) if tuple.len() == 2 => (tuple.get_item(0)?, tuple.get_item(1)?),
        Ok(tuple) => {
            return Err(PyValueError::new_err(format!(
                "a header must be a pair (name, value), not a tuple of {}",
                tuple.len()
            )));
        }
        Err(_) => match item.cast::<PyList>() {
            Ok(list) if list.len() == 2 => (list.get_item(0)?, list.get_item(1)?),
            _ => {
                return Err(PyTypeError::new_err(format!(
                    "a header must be a tuple (name, value), not {}",
                    type_name(item)
                )));
            }
        },
    };
    native(&name, "header name")?;
    if !value.is_instance_of::<PyString>() {
        return Err(PyTypeError::new_err(format!(
            "value of header {:?} must be str, not {}",
            name.to_string(),
            type_name(&value)
        )));
    }
    Ok((name.cast_into()?, value.cast_into()?))
}

type ResponseFields<'a> = SmallVec<[(Cow<'a, [u8]>, Cow<'a, [u8]>); 16]>;

fn fields<'a>(pairs: &'a Pairs<'_>) -> PyResult<ResponseFields<'a>> {
    pairs
        .iter()
        .map(|(name, value)| {
            Ok((
                to_latin1(name, "header name")?,
                to_latin1(value, "header value")?,
            ))
        })
        .collect()
}

fn as_bytes<'a>(field: &'a (Cow<'_, [u8]>, Cow<'_, [u8]>)) -> (&'a [u8], &'a [u8]) {
    (&field.0, &field.1)
}

/// The exception that the app gets.
pub fn error(error: SendError) -> PyErr {
    match error {
        SendError::Gone => ClientDisconnected::new_err("the client has closed the connection"),
        SendError::Response(ResponseError::NotStarted) => not_started(),
        SendError::Response(
            ResponseError::InvalidStatus(_)
            | ResponseError::InformationalStatus(_)
            | ResponseError::InvalidReason
            | ResponseError::InvalidName(_)
            | ResponseError::InvalidValue(_)
            | ResponseError::InvalidContentLength(_)
            | ResponseError::TooManyFields,
        ) => PyValueError::new_err(error.to_string()),
        SendError::Response(ResponseError::TooLong { .. }) => PyOSError::new_err(error.to_string()),
        SendError::FileInProgress | SendError::Response(_) => {
            PyRuntimeError::new_err(error.to_string())
        }
    }
}

pub fn not_started() -> PyErr {
    PyAssertionError::new_err("the app sent a block before it called start_response")
}
