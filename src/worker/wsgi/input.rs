//! `wsgi.input`: the body of one request, never more. It waits for the client only if the body is streamed.

use bytes::{Buf, Bytes, BytesMut};
use parking_lot::Mutex;
use pyo3::exceptions::{PyStopIteration, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList};

use super::body::{BodyPrefix, WsgiBody};
use super::thread::Thread;
use crate::worker::exchange::{Exchange, Received};
use crate::worker::python::ClientDisconnected;
use crate::worker::spool::SpoolFile;

/// Bytes of one read of the file.
const CHUNK: usize = 64 * 1024;

#[pyclass(frozen, module = "rgun", name = "Input")]
pub struct Input {
    reader: Mutex<InputReader>,
}

#[derive(Default)]
struct InputReader {
    /// Taken from the source and not yet returned to the app.
    ready: Bytes,
    begun: BodyPrefix,
    /// Follows those, from that offset on.
    file: Option<(SpoolFile, u64)>,
    /// Follows the file's part.
    last: Bytes,
    stream: Option<(Exchange, Thread)>,
}

impl Input {
    pub fn empty(py: Python<'_>) -> PyResult<Bound<'_, Self>> {
        Self::bound(py, InputReader::default())
    }

    /// `None`: there is no body.
    pub fn of<'py>(
        py: Python<'py>,
        body: WsgiBody,
        exchange: &Exchange,
        thread: &Thread,
    ) -> PyResult<Option<Bound<'py, Self>>> {
        let mut reader = InputReader::default();
        match body {
            WsgiBody::Empty => return Ok(None),
            WsgiBody::Whole { begun, file } => {
                reader.begun = begun;
                reader.file = file.map(|file| (file, 0));
            }
            WsgiBody::Stream {
                begun,
                file,
                last,
                more,
            } => {
                reader.begun = begun;
                reader.file = file.map(|file| (file, 0));
                reader.last = last;
                reader.stream = more.then(|| (exchange.clone(), thread.clone()));
            }
        }
        Self::bound(py, reader).map(Some)
    }

    fn bound(py: Python<'_>, reader: InputReader) -> PyResult<Bound<'_, Self>> {
        let reader = Mutex::new(reader);
        Bound::new(py, Self { reader })
    }

    /// Runs `take` without the GIL, unless the bytes asked for are in memory.
    fn reading<T: Send>(
        &self,
        py: Python<'_>,
        enough: impl Fn(&InputReader) -> bool,
        take: impl FnOnce(&mut InputReader) -> PyResult<T> + Send,
    ) -> PyResult<T> {
        if let Some(mut reader) = self.reader.try_lock()
            && (enough(&reader) || reader.is_in_memory())
        {
            return take(&mut reader);
        }
        // The lock is acquired and released without the GIL, so that two threads of the app cannot deadlock.
        py.detach(|| take(&mut self.reader.lock()))
    }

    fn next_line(&self, py: Python<'_>, limit: usize) -> PyResult<Bytes> {
        self.reading(
            py,
            |r| line_end(&r.ready, limit).is_some(),
            |r| r.line(limit),
        )
    }
}

#[pymethods]
impl Input {
    #[pyo3(signature = (size=None))]
    fn read<'py>(&self, py: Python<'py>, size: Option<isize>) -> PyResult<Bound<'py, PyBytes>> {
        let limit = limit(size);
        if let Some(mut reader) = self.reader.try_lock()
            && let Some(length) = reader.length_in_memory(limit)
        {
            return reader.copy(py, length);
        }
        let bytes = self.reading(py, |r| r.ready.len() >= limit, |r| r.take(limit))?;
        Ok(PyBytes::new(py, &bytes))
    }

    #[pyo3(signature = (size=None))]
    fn readline<'py>(&self, py: Python<'py>, size: Option<isize>) -> PyResult<Bound<'py, PyBytes>> {
        Ok(PyBytes::new(py, &self.next_line(py, limit(size))?))
    }

    #[pyo3(signature = (hint=None))]
    fn readlines<'py>(&self, py: Python<'py>, hint: Option<isize>) -> PyResult<Bound<'py, PyList>> {
        let lines = PyList::empty(py);
        // As io.IOBase: zero means no limit too.
        let mut left = hint
            .and_then(|hint| usize::try_from(hint).ok())
            .filter(|&hint| hint > 0);
        loop {
            let line = self.next_line(py, usize::MAX)?;
            if line.is_empty() {
                return Ok(lines);
            }
            lines.append(PyBytes::new(py, &line))?;
            if let Some(left) = &mut left {
                if line.len() >= *left {
                    return Ok(lines);
                }
                *left -= line.len();
            }
        }
    }

    fn __iter__(this: PyRef<'_, Self>) -> PyRef<'_, Self> {
        this
    }

    fn __next__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        let line = self.next_line(py, usize::MAX)?;
        if line.is_empty() {
            return Err(PyStopIteration::new_err(()));
        }
        Ok(PyBytes::new(py, &line))
    }

    /// For `io.BufferedReader`, which some frameworks wrap around it.
    fn readinto(&self, py: Python<'_>, buffer: &Bound<'_, PyAny>) -> PyResult<usize> {
        let view = py
            .import("builtins")?
            .getattr("memoryview")?
            .call1((buffer,))?
            .call_method1("cast", ("B",))?;
        let bytes = self.read(py, Some(view.len()?.cast_signed()))?;
        let count = bytes.as_bytes().len();
        view.set_item(
            pyo3::types::PySlice::new(py, 0, count.cast_signed(), 1),
            bytes,
        )
        .map_err(|_| PyValueError::new_err("the buffer is read-only"))?;
        Ok(count)
    }

    #[expect(clippy::unused_self, reason = "a Python method")]
    fn readable(&self) -> bool {
        true
    }

    #[expect(clippy::unused_self, reason = "a Python method")]
    fn writable(&self) -> bool {
        false
    }

    #[expect(clippy::unused_self, reason = "a Python method")]
    fn seekable(&self) -> bool {
        false
    }

    #[getter]
    #[expect(clippy::unused_self, reason = "a Python attribute")]
    fn closed(&self) -> bool {
        false
    }

    /// The body belongs to the request: closing it has no effect.
    #[expect(clippy::unused_self, reason = "a Python method")]
    fn close(&self) {}
}

/// Negative or absent: no limit.
fn limit(size: Option<isize>) -> usize {
    size.and_then(|size| usize::try_from(size).ok())
        .unwrap_or(usize::MAX)
}

/// Where a line within `bytes` ends, if that is known.
fn line_end(bytes: &[u8], limit: usize) -> Option<usize> {
    match memchr::memchr(b'\n', bytes) {
        Some(at) => Some((at + 1).min(limit)),
        None => (bytes.len() >= limit).then_some(limit),
    }
}

impl InputReader {
    fn is_in_memory(&self) -> bool {
        self.file.is_none() && self.stream.is_none()
    }

    /// Length of a read up to `limit`; `None`: unknown from memory alone.
    fn length_in_memory(&self, limit: usize) -> Option<usize> {
        let length = self.ready.len() + self.begun.pieces.len();
        if length >= limit {
            return Some(limit);
        }
        (self.is_in_memory() && self.last.is_empty()).then_some(length)
    }

    /// The next `length` bytes, which are in memory: copied once.
    fn copy<'py>(&mut self, py: Python<'py>, length: usize) -> PyResult<Bound<'py, PyBytes>> {
        if self.ready.is_empty() && length > 0 {
            self.ready = self.begun.pieces.pop().unwrap_or_default();
        }
        if self.ready.len() >= length {
            return Ok(PyBytes::new(py, &self.ready.split_to(length)));
        }
        PyBytes::new_with(py, length, |mut into| {
            while !into.is_empty() {
                if self.ready.is_empty() {
                    let Some(piece) = self.begun.pieces.pop() else {
                        break;
                    };
                    self.ready = piece;
                }
                let count = self.ready.len().min(into.len());
                let (now, later) = into.split_at_mut(count);
                now.copy_from_slice(&self.ready.split_to(count));
                into = later;
            }
            Ok(())
        })
    }

    /// Up to `limit` bytes; fewer only at the end of the body.
    fn take(&mut self, limit: usize) -> PyResult<Bytes> {
        if self.ready.is_empty() {
            self.fill(limit)?;
        }
        if self.ready.len() >= limit {
            return Ok(self.ready.split_to(limit));
        }
        let mut taken = BytesMut::from(std::mem::take(&mut self.ready));
        while taken.len() < limit && self.fill(limit - taken.len())? {
            let count = self.ready.len().min(limit - taken.len());
            taken.extend_from_slice(&self.ready[..count]);
            self.ready.advance(count);
        }
        Ok(taken.freeze())
    }

    fn line(&mut self, limit: usize) -> PyResult<Bytes> {
        if self.ready.is_empty() {
            self.fill(CHUNK)?;
        }
        if let Some(end) = line_end(&self.ready, limit) {
            return Ok(self.ready.split_to(end));
        }
        let mut line = BytesMut::from(std::mem::take(&mut self.ready));
        while line.len() < limit && self.fill(CHUNK)? {
            let end = line_end(&self.ready, limit - line.len());
            line.extend_from_slice(&self.ready.split_to(end.unwrap_or(self.ready.len())));
            if end.is_some() {
                break;
            }
        }
        Ok(line.freeze())
    }

    /// Takes the next bytes of the source into `ready`. False: the body has ended.
    fn fill(&mut self, wanted: usize) -> PyResult<bool> {
        if let Some(piece) = self.begun.pieces.pop() {
            self.ready = piece;
            return Ok(true);
        }
        if let Some((file, offset)) = &mut self.file {
            let left = usize::try_from(file.length() - *offset).unwrap_or(usize::MAX);
            let mut chunk = BytesMut::zeroed(left.min(wanted.max(CHUNK)).min(16 * CHUNK));
            let count = file.read_at(&mut chunk, *offset)?;
            if count > 0 {
                chunk.truncate(count);
                *offset += count as u64;
                self.ready = chunk.freeze();
                return Ok(true);
            }
            self.file = None;
        }
        if !self.last.is_empty() {
            self.ready = std::mem::take(&mut self.last);
            return Ok(true);
        }
        let Some((exchange, thread)) = &self.stream else {
            return Ok(false);
        };
        match thread.receive(exchange) {
            Received::Body { piece, more } => {
                if !more {
                    self.stream = None;
                }
                let any = !piece.is_empty();
                self.ready = piece;
                Ok(any || (more && self.fill(wanted)?))
            }
            Received::Disconnect | Received::Wait => Err(ClientDisconnected::new_err(
                "the request body was cut off or malformed",
            )),
        }
    }
}
