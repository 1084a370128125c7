//! One request in its thread, from the environ to `close()`.

use pyo3::exceptions::{PyAttributeError, PyStopIteration, PySystemExit, PyTypeError};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList, PyTuple};

use super::client_socket;
use super::core::WsgiCore;
use super::environ;
use super::file_wrapper::{FilePart, FileWrapper};
use super::input::Input;
use super::notes::Notes;
use super::response::{self, StartResponse, block};
use super::scheduler::Job;
use super::thread::Thread;
use crate::config::SendFile;
use crate::http::{BodyEnd, Method, RequestHead, ResponseError, ResponseState};
use crate::worker::exchange::{Ending, ResponseVerdict, SendError, whole_file};
use crate::worker::python::{
    ForkReturn, contained, exception, in_worker, is_disconnect, leave_forked_child, logged,
    type_name,
};

/// Short blocks are joined up to this many bytes.
const JOINED: usize = 16 * 1024;

/// Why a response is incomplete.
enum ResponseFailure {
    /// An exception of the app, or one raised on its behalf.
    Error(PyErr),
    /// The client has disconnected.
    Gone,
    /// Cut to the declared length.
    TooLong(u64),
    TooShort(u64),
}

impl From<PyErr> for ResponseFailure {
    fn from(error: PyErr) -> Self {
        Self::Error(error)
    }
}

impl From<SendError> for ResponseFailure {
    fn from(error: SendError) -> Self {
        match error {
            SendError::Gone => Self::Gone,
            SendError::Response(ResponseError::TooLong { excess }) => Self::TooLong(excess),
            SendError::Response(ResponseError::TooShort { missing }) => Self::TooShort(missing),
            error @ (SendError::FileInProgress | SendError::Response(_)) => {
                Self::Error(response::error(error))
            }
        }
    }
}

/// Runs the app for a request. In any case the client gets a response, or a connection that is visibly cut.
pub fn run(py: Python<'_>, core: &WsgiCore, thread: &Thread, job: Job) {
    let Job {
        exchange,
        head,
        body,
        ..
    } = job;
    if !exchange.is_wanted() {
        // The client disconnected before its turn. No other code would close its connection.
        exchange.ended(Ending::Failed);
        return;
    }
    let _running = exchange.step();
    let is_upgrade = client_socket::is_wanted(&head);
    let result = contained(|| {
        let environ = environ::build(py, core, &exchange, &head, body.length())?;
        if let Some(input) = Input::of(py, body, &exchange, thread)? {
            environ.set_item(intern!(py, "wsgi.input"), input)?;
        }
        let response = Bound::new(
            py,
            StartResponse::new(exchange.clone(), thread.clone(), &head),
        )?;
        environ.set_item(
            intern!(py, "wsgi.early_hints"),
            response.getattr(intern!(py, "early_hints"))?,
        )?;
        if is_upgrade {
            client_socket::offer(core, &environ, &exchange, thread)?;
        }
        let notes = Notes::of(core, &environ);
        let iterable = core.app.bind(py).call1((environ, &response))?;
        leave_forked_child(py);
        if is_upgrade && exchange.is_handed_over() {
            return close(&iterable).map_err(ResponseFailure::Error);
        }
        let by = core.context.net.settings.sendfile;
        let sent = match send(&response, &iterable, &head, notes.as_ref(), by) {
            // The app sends a part of a file: as much as its Content-Length says.
            Err(ResponseFailure::TooLong(_)) if iterable.is_exact_instance_of::<FileWrapper>() => {
                exchange.ended(Ending::Returned);
                Ok(())
            }
            sent => sent,
        };
        let closed = close(&iterable);
        sent?;
        closed.map_err(ResponseFailure::Error)
    });
    let result = result.unwrap_or_else(|panic| Err(panic.into()));
    let result = in_worker(py, result, |result| match result {
        Err(ResponseFailure::Error(error)) => ForkReturn::ToAnEnd(Err(error)),
        Ok(())
        | Err(ResponseFailure::Gone | ResponseFailure::TooLong(_) | ResponseFailure::TooShort(_)) => {
            ForkReturn::ToAnEnd(Ok(()))
        }
    });
    let was_handed_over = is_upgrade && exchange.take_back();
    match result {
        Ok(()) => {}
        // Apps end this way under gunicorn when they have taken over the socket.
        Err(ResponseFailure::Error(error))
            if was_handed_over && error.is_instance_of::<PyStopIteration>(py) => {}
        Err(failure) => conclude(py, core, &exchange, &head, failure),
    }
}

/// Sends each block before it asks for the next one.
fn send(
    response: &Bound<'_, StartResponse>,
    iterable: &Bound<'_, PyAny>,
    head: &RequestHead,
    notes: Option<&Notes<'_, '_>>,
    files_by: SendFile,
) -> Result<(), ResponseFailure> {
    if let Ok(list) = iterable.cast_exact::<PyList>() {
        // An index and not an iterator: the app may change its list from another thread.
        return send_all(response, head, notes, list.len(), |n| list.get_item(n));
    }
    if let Ok(tuple) = iterable.cast_exact::<PyTuple>() {
        return send_all(response, head, notes, tuple.len(), |n| tuple.get_item(n));
    }
    if files_by == SendFile::Kernel
        && !response.get().names_file()
        && let Ok(wrapper) = iterable.cast_exact::<FileWrapper>()
        && let Some(part) = wrapper.get().part(iterable.py())?
    {
        let StartResponse {
            exchange, thread, ..
        } = response.get();
        note(notes, response);
        iterable.py().detach(|| {
            if exchange.response_state() == ResponseState::Streaming {
                // What `write` has sent may wait in a file.
                thread.wait_to_send(exchange);
            }
            match part {
                FilePart::Kernel {
                    file,
                    offset: 0,
                    length,
                } => {
                    let head = head.is_selective().then_some(head);
                    whole_file::send(exchange, file, length, BodyEnd::Last, head)
                }
                FilePart::Kernel {
                    file,
                    offset,
                    length,
                } => exchange.send_file(file, offset, length, BodyEnd::Last),
                FilePart::Content(content) => {
                    whole_file::send_unsized(exchange, content.into(), BodyEnd::Last)
                }
            }
        })?;
        return Ok(());
    }
    let only = iterable.len().is_ok_and(|length| length == 1);
    let blocks = iterable.try_iter().map_err(|error| {
        if error.is_instance_of::<PyTypeError>(iterable.py()) {
            let name = type_name(iterable);
            PyTypeError::new_err(format!("the app returned {name}, which is not iterable"))
        } else {
            error
        }
    })?;
    let mut complete = false;
    for item in blocks {
        let item = item?;
        let data = block(&item)?;
        if data.as_bytes().is_empty() {
            continue;
        }
        if complete {
            return Err(ResponseFailure::TooLong(data.as_bytes().len() as u64));
        }
        complete = only;
        if only {
            note(notes, response);
        }
        put(
            response,
            data,
            if only { BodyEnd::Last } else { BodyEnd::More },
        )?;
        if is_bodiless(response.get(), head) {
            break;
        }
    }
    if complete {
        Ok(())
    } else {
        note(notes, response);
        end(response)
    }
}

/// Sends a list or tuple: its length is known, so the last block is known.
fn send_all<'py>(
    response: &Bound<'py, StartResponse>,
    head: &RequestHead,
    notes: Option<&Notes<'_, '_>>,
    length: usize,
    get: impl Fn(usize) -> PyResult<Bound<'py, PyAny>>,
) -> Result<(), ResponseFailure> {
    note(notes, response);
    if length > 1
        && let Some(whole) = joined(response.py(), length, &get)?
    {
        if !whole.as_bytes().is_empty() {
            put(response, &whole, BodyEnd::More)?;
        }
        return end(response);
    }
    for n in 0..length {
        let item = get(n)?;
        let data = block(&item)?;
        if n + 1 == length {
            return put(response, data, BodyEnd::Last);
        }
        if !data.as_bytes().is_empty() {
            put(response, data, BodyEnd::More)?;
            if is_bodiless(response.get(), head) {
                break;
            }
        }
    }
    end(response)
}

/// All blocks as one, if that is short. `None`: they are too many or too long.
fn joined<'py>(
    py: Python<'py>,
    length: usize,
    get: &impl Fn(usize) -> PyResult<Bound<'py, PyAny>>,
) -> PyResult<Option<Bound<'py, PyBytes>>> {
    let mut whole = Vec::new();
    for n in 0..length {
        let item = get(n)?;
        let data = block(&item)?.as_bytes();
        if whole.len() + data.len() > JOINED {
            return Ok(None);
        }
        whole.extend_from_slice(data);
    }
    Ok(Some(PyBytes::new(py, &whole)))
}

/// Called before the last byte is sent, because the request's log line is written with it.
fn note(notes: Option<&Notes<'_, '_>>, response: &Bound<'_, StartResponse>) {
    if let Some(notes) = notes {
        notes.take(&response.get().exchange);
    }
}

fn put(
    response: &Bound<'_, StartResponse>,
    data: &Bound<'_, PyBytes>,
    end: BodyEnd,
) -> Result<(), ResponseFailure> {
    Ok(response.get().send(response.py(), data, end)?)
}

fn end(response: &Bound<'_, StartResponse>) -> Result<(), ResponseFailure> {
    put(response, &PyBytes::new(response.py(), b""), BodyEnd::Last)
}

/// Whether the response has a head alone: no block needs to be produced.
fn is_bodiless(response: &StartResponse, head: &RequestHead) -> bool {
    head.known_method() == Method::Head || matches!(response.status(), 204 | 205 | 304)
}

/// PEP 3333: always, once, after success and after failure.
fn close(iterable: &Bound<'_, PyAny>) -> PyResult<()> {
    let py = iterable.py();
    if iterable.is_exact_instance_of::<PyList>() || iterable.is_exact_instance_of::<PyTuple>() {
        return Ok(());
    }
    match iterable.getattr(intern!(py, "close")) {
        Ok(close) => close.call0().map(drop),
        Err(error) if error.is_instance_of::<PyAttributeError>(py) => Ok(()),
        Err(error) => Err(error),
    }
}

/// Logs and completes a request that has failed.
fn conclude(
    py: Python<'_>,
    core: &WsgiCore,
    exchange: &crate::worker::exchange::Exchange,
    head: &RequestHead,
    failure: ResponseFailure,
) {
    let request = format!(
        "{} {}",
        head.method(),
        String::from_utf8_lossy(head.target_path())
    );
    let request_id = core.context.net.ledger.id_of(head);
    match failure {
        ResponseFailure::TooLong(excess) => {
            exchange.ended(Ending::Returned);
            tracing::error!(
                request,
                request_id,
                excess,
                "response body longer than its content-length, cut"
            );
        }
        ResponseFailure::TooShort(missing) => {
            exchange.ended(Ending::Failed);
            tracing::error!(
                request,
                request_id,
                missing,
                "response body shorter than its content-length"
            );
        }
        ResponseFailure::Gone => {
            exchange.ended(Ending::Failed);
            tracing::debug!(
                request,
                request_id,
                "client left before its response was complete"
            );
        }
        ResponseFailure::Error(error) => {
            let gone = is_disconnect(py, &error);
            let verdict = exchange.ended(Ending::Failed);
            if gone {
                return;
            }
            if error.is_instance_of::<PySystemExit>(py) && core.thread_pool.scheduler.lock().over {
                tracing::warn!(
                    request,
                    request_id,
                    "request cancelled: the worker is shutting down"
                );
                return;
            }
            let traceback = core
                .format_error
                .bind(py)
                .call1((exception(py, &error),))
                .and_then(|text| logged(&text))
                .unwrap_or_else(|_| error.to_string());
            let cut = verdict == ResponseVerdict::Cut;
            core.context.net.page.exception();
            tracing::error!(request, request_id, cut, traceback, "exception in app");
        }
    }
}
