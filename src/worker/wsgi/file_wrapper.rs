//! `wsgi.file_wrapper`. As an iterable it works everywhere; the server looks into it to send real files by itself.

use pyo3::exceptions::{PyAttributeError, PyStopIteration};
use pyo3::intern;
use pyo3::prelude::*;

#[pyclass(frozen, module = "rgun", name = "FileWrapper")]
pub struct FileWrapper {
    pub file: Py<PyAny>,
    size: isize,
}

#[pymethods]
impl FileWrapper {
    #[new]
    #[pyo3(signature = (filelike, blksize=8192, /))]
    fn new(filelike: Py<PyAny>, blksize: isize) -> Self {
        Self {
            file: filelike,
            size: blksize,
        }
    }

    fn __iter__(this: PyRef<'_, Self>) -> PyRef<'_, Self> {
        this
    }

    fn __next__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let block = self
            .file
            .bind(py)
            .call_method1(intern!(py, "read"), (self.size,))?;
        if block.is_truthy()? {
            Ok(block)
        } else {
            Err(PyStopIteration::new_err(()))
        }
    }

    fn close(&self, py: Python<'_>) -> PyResult<()> {
        match self.file.bind(py).getattr(intern!(py, "close")) {
            Ok(close) => close.call0().map(drop),
            Err(error) if error.is_instance_of::<PyAttributeError>(py) => Ok(()),
            Err(error) => Err(error),
        }
    }
}
