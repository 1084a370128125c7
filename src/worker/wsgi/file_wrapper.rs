//! `wsgi.file_wrapper`. It works as an iterable everywhere; the server sends real files by the kernel.

use std::fs::File;

use pyo3::exceptions::{PyAttributeError, PyStopIteration};
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::intern;
use pyo3::prelude::*;

use crate::sys;
use crate::worker::python::Collected;

#[pyclass(frozen, module = "rgun", name = "FileWrapper")]
pub struct FileWrapper {
    file: Collected<PyAny>,
    size: isize,
}

/// The rest of a file.
pub enum FilePart {
    /// The kernel can send it.
    Kernel {
        file: File,
        offset: u64,
        length: u64,
    },
    /// Of a file whose attributes give no size, as those of `/proc`.
    Content(Vec<u8>),
}

impl FileWrapper {
    /// The rest of a real file from its current position; `None`: it has to be read through Python.
    pub fn part(&self, py: Python<'_>) -> PyResult<Option<FilePart>> {
        let Some(object) = plain(&self.file.bind(py)?) else {
            return Ok(None);
        };
        // If anything fails here, reading is still possible and raises the actual error.
        let Ok(fd) = object
            .call_method0(intern!(py, "fileno"))
            .and_then(|fd| fd.extract::<i32>())
        else {
            return Ok(None);
        };
        // Not lseek: a buffered reader has read ahead of its logical position.
        let Ok(offset) = object
            .call_method0(intern!(py, "tell"))
            .and_then(|at| at.extract::<u64>())
        else {
            return Ok(None);
        };
        // A descriptor of our own: the app closes its file before all of it is sent.
        let Ok(file) = sys::duplicate(fd).map(File::from) else {
            return Ok(None);
        };
        let metadata = file.metadata()?;
        if !metadata.is_file() {
            return Ok(None);
        }
        if metadata.len() == 0 {
            let content = py.detach(|| sys::unsized_content(&file, offset));
            let content = content.ok().filter(|content| !content.is_empty());
            return Ok(content.map(FilePart::Content));
        }
        let length = metadata.len().saturating_sub(offset);
        Ok(Some(FilePart::Kernel {
            file,
            offset,
            length,
        }))
    }
}

/// The file whose bytes on disk are what `read` returns. A `GzipFile` has a descriptor too, but of other bytes: so
/// only Python's own plain files qualify, also inside wrappers that forward `read` (Django's `File`,
/// `NamedTemporaryFile`).
fn plain<'py>(object: &Bound<'py, PyAny>) -> Option<Bound<'py, PyAny>> {
    let py = object.py();
    let read = object.getattr(intern!(py, "read")).ok()?;
    let read = read.getattr(intern!(py, "__wrapped__")).unwrap_or(read);
    let owner = read.getattr(intern!(py, "__self__")).ok()?;
    let io = py.import("io").ok()?;
    let is = |object: &Bound<'py, PyAny>, name: &str| {
        io.getattr(name)
            .is_ok_and(|kind| object.get_type().is(&kind))
    };
    if is(&owner, "FileIO") {
        return Some(owner);
    }
    let buffered = is(&owner, "BufferedReader") || is(&owner, "BufferedRandom");
    let raw = owner.getattr(intern!(py, "raw")).ok()?;
    (buffered && is(&raw, "FileIO")).then_some(owner)
}

#[pymethods]
impl FileWrapper {
    #[new]
    #[pyo3(signature = (filelike, blksize=8192))]
    fn new(filelike: Py<PyAny>, blksize: isize) -> Self {
        Self {
            file: Collected::new(filelike),
            size: blksize,
        }
    }

    fn __iter__(this: PyRef<'_, Self>) -> PyRef<'_, Self> {
        this
    }

    fn __next__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let block = self
            .file
            .bind(py)?
            .call_method1(intern!(py, "read"), (self.size,))?;
        if block.is_truthy()? {
            Ok(block)
        } else {
            Err(PyStopIteration::new_err(()))
        }
    }

    fn close(&self, py: Python<'_>) -> PyResult<()> {
        match self.file.bind(py)?.getattr(intern!(py, "close")) {
            Ok(close) => close.call0().map(drop),
            Err(error) if error.is_instance_of::<PyAttributeError>(py) => Ok(()),
            Err(error) => Err(error),
        }
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        self.file.visit(&visit)
    }

    fn __clear__(&self) {
        self.file.clear();
    }
}
