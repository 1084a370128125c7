//! The messages of the http scope's extensions: trailers, early hints, files.

use std::fs::File;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use parking_lot::Mutex;
use pyo3::exceptions::{PyRuntimeError, PyValueError};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyInt};

use super::message::{self, HttpMessageKind};
use crate::http::{BodyEnd, RequestHead, ResponseError, ResponseState, check_trailer};
use crate::sys::{duplicate, open_at_once, unsized_content};
use crate::worker::exchange::{Backpressure, Exchange, SendError, whole_file};

type OwnedField = (Box<[u8]>, Box<[u8]>);

/// What the messages of one response need beside its exchange.
#[derive(Default)]
pub struct Extended {
    /// Whether trailers follow the body.
    announced: AtomicBool,
    /// The trailers received so far.
    gathered: Mutex<Vec<OwnedField>>,
    /// Set for a request that has conditions or ranges.
    selective: Option<Box<RequestHead>>,
}

impl Extended {
    pub fn new(head: &RequestHead) -> Self {
        Self {
            selective: head.is_selective().then(|| Box::new(head.clone())),
            ..Self::default()
        }
    }

    pub fn announce_trailers(&self) {
        self.announced.store(true, Relaxed);
    }

    /// The kind of end after the last piece of the body.
    pub fn body_end(&self) -> BodyEnd {
        if self.announced.load(Relaxed) {
            BodyEnd::Trailers
        } else {
            BodyEnd::Last
        }
    }

    /// Executes the message.
    pub fn perform(
        &self,
        exchange: &Exchange,
        kind: HttpMessageKind,
        message: &Bound<'_, PyDict>,
    ) -> PyResult<Backpressure> {
        match kind {
            HttpMessageKind::Trailers => self.trailers(exchange, message),
            HttpMessageKind::EarlyHint => early_hint(exchange, message),
            HttpMessageKind::PathSend => self.path_send(exchange, message),
            HttpMessageKind::ZeroCopySend => self.zero_copy_send(exchange, message),
            HttpMessageKind::Start | HttpMessageKind::Body => Ok(Backpressure::Free),
        }
    }

    fn trailers(&self, exchange: &Exchange, message: &Bound<'_, PyDict>) -> PyResult<Backpressure> {
        let py = message.py();
        if !self.announced.load(Relaxed) {
            return Err(PyRuntimeError::new_err(
                "http.response.trailers without \"trailers\": True in http.response.start",
            ));
        }
        let headers = message::headers(message)?;
        // This may run the app's own code, which may call this again.
        let follow = message::flag(message, intern!(py, "more_trailers"))?;
        // An event that is refused has no other effect.
        for (name, value) in &headers {
            check_trailer(name.as_bytes(), value.as_bytes())
                .map_err(|error| message::error(error.into()))?;
        }
        let mut gathered = self.gathered.lock();
        gathered.extend(
            headers
                .iter()
                .map(|(name, value)| (name.as_bytes().into(), value.as_bytes().into())),
        );
        if follow {
            return Ok(Backpressure::Free);
        }
        let fields = gathered.iter().map(|(name, value)| (&**name, &**value));
        exchange.trailers(fields).map_err(message::error)?;
        Ok(Backpressure::Free)
    }

    fn path_send(
        &self,
        exchange: &Exchange,
        message: &Bound<'_, PyDict>,
    ) -> PyResult<Backpressure> {
        let py = message.py();
        let path = message
            .get_item(intern!(py, "path"))?
            .ok_or_else(|| PyValueError::new_err("http.response.pathsend without \"path\""))?
            .extract::<PathBuf>()?;
        if !path.is_absolute() {
            return Err(PyValueError::new_err(
                "http.response.pathsend needs an absolute path",
            ));
        }
        if exchange.response_state() == ResponseState::Streaming {
            return Err(PyRuntimeError::new_err(
                "http.response.pathsend after http.response.body",
            ));
        }
        let file = open_at_once(&path)?;
        let length =
            regular(&file)?.ok_or_else(|| irregular(&path.display().to_string(), "pathsend"))?;
        let end = self.body_end();
        if length == 0 {
            let content = unsized_content(&file, 0)?;
            if !content.is_empty() {
                return send_content(exchange, content, end);
            }
        }
        self.send_whole(exchange, file, length, end)
    }

    fn send_whole(
        &self,
        exchange: &Exchange,
        file: File,
        length: u64,
        end: BodyEnd,
    ) -> PyResult<Backpressure> {
        let sent = whole_file::send(exchange, file, length, end, self.selective.as_deref());
        sent.map_err(message::error)
    }

    fn zero_copy_send(
        &self,
        exchange: &Exchange,
        message: &Bound<'_, PyDict>,
    ) -> PyResult<Backpressure> {
        let py = message.py();
        let number = |key| -> PyResult<Option<u64>> {
            let value: Option<Bound<'_, PyAny>> = message.get_item(key)?;
            match value.filter(|value| !value.is_none()) {
                None => Ok(None),
                Some(value) => value.extract().map(Some),
            }
        };
        let object = message
            .get_item(intern!(py, "file"))?
            .ok_or_else(|| PyValueError::new_err("http.response.zerocopysend without \"file\""))?;
        let descriptor: i32 = if object.is_instance_of::<PyInt>() {
            object.extract()?
        } else {
            object.call_method0(intern!(py, "fileno"))?.extract()?
        };
        // A descriptor of our own: the app closes its file as soon as `send` has returned.
        let file = File::from(duplicate(descriptor)?);
        let size = regular(&file)?.ok_or_else(|| irregular("its file", "zerocopysend"))?;
        let os = py.import(intern!(py, "os"))?;
        let seek = |offset: i64, whence: i32| -> PyResult<u64> {
            os.call_method1(intern!(py, "lseek"), (descriptor, offset, whence))?
                .extract()
        };
        let offset = number(intern!(py, "offset"))?;
        let count = number(intern!(py, "count"))?;
        let start = match offset {
            Some(offset) => offset,
            None => seek(0, 1)?,
        };
        let mut content = match size {
            0 => unsized_content(&file, start)?,
            _ => Vec::new(),
        };
        let there = size.saturating_sub(start).max(content.len() as u64);
        let length = count.map_or(there, |count| count.min(there));
        let end = if message::flag(message, intern!(py, "more_body"))? {
            BodyEnd::More
        } else {
            self.body_end()
        };
        let flow = if !content.is_empty() {
            content.truncate(usize::try_from(length).unwrap_or(usize::MAX));
            send_content(exchange, content, end)?
        } else if start == 0 && length == there {
            self.send_whole(exchange, file, length, end)?
        } else {
            let sent = exchange.send_file(file, start, length, end);
            sent.map_err(message::error)?
        };
        if offset.is_none() {
            // Moves the position as reading would.
            seek(i64::try_from(start + length).unwrap_or(i64::MAX), 0)?;
        }
        Ok(flow)
    }
}

fn early_hint(exchange: &Exchange, message: &Bound<'_, PyDict>) -> PyResult<Backpressure> {
    let py = message.py();
    let mut links = Vec::new();
    if let Some(found) = message.get_item(intern!(py, "links"))? {
        for link in found.try_iter()? {
            let link = link?
                .cast_into::<PyBytes>()
                .map_err(|e| message::wrong_type("link", "bytes", &e.into_inner()))?;
            links.push(link);
        }
    }
    let fields = links.iter().map(|link| (&b"link"[..], link.as_bytes()));
    match exchange.inform(103, fields) {
        // The head was sent: it is too late for early hints, and that is no mistake of the app.
        Ok(()) | Err(SendError::Response(ResponseError::HeadSent)) => Ok(Backpressure::Free),
        Err(error) => Err(message::error(error)),
    }
}

fn send_content(exchange: &Exchange, content: Vec<u8>, end: BodyEnd) -> PyResult<Backpressure> {
    let sent = whole_file::send_unsized(exchange, content.into(), end);
    sent.map_err(message::error)
}

/// The length of a regular file; `None`: it is none.
fn regular(file: &File) -> PyResult<Option<u64>> {
    let about = file.metadata()?;
    Ok(about.is_file().then_some(about.len()))
}

fn irregular(name: &str, message: &str) -> PyErr {
    PyValueError::new_err(format!(
        "http.response.{message}: {name} is not a regular file"
    ))
}
