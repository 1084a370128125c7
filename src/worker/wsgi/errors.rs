//! `wsgi.errors`: what apps write there becomes lines of the error log.

use parking_lot::Mutex;
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::PyString;

use crate::observability;
use crate::worker::python::type_name;

/// One for the whole worker. A line that is not finished waits for its end, or for `flush`.
#[pyclass(frozen, module = "rgun", name = "ErrorStream")]
#[derive(Default)]
pub struct Errors {
    begun: Mutex<String>,
}

#[pymethods]
impl Errors {
    fn write(&self, text: &Bound<'_, PyAny>) -> PyResult<usize> {
        let Ok(text) = text.cast::<PyString>() else {
            let name = type_name(text);
            return Err(PyTypeError::new_err(format!(
                "wsgi.errors takes str, not {name}"
            )));
        };
        // What cannot be UTF-8 (lone surrogates) is still to be read.
        let text = text.to_string_lossy();
        let complete = {
            let mut begun = self.begun.lock();
            begun.push_str(&text);
            match begun.rfind('\n') {
                Some(end) => {
                    let rest = begun.split_off(end + 1);
                    std::mem::replace(&mut *begun, rest)
                }
                None => String::new(),
            }
        };
        say(&complete);
        Ok(text.chars().count())
    }

    fn writelines(&self, lines: &Bound<'_, PyAny>) -> PyResult<()> {
        for line in lines.try_iter()? {
            self.write(&line?)?;
        }
        Ok(())
    }

    fn flush(&self) {
        let begun = std::mem::take(&mut *self.begun.lock());
        say(&begun);
    }
}

fn say(lines: &str) {
    if lines.is_empty() {
        return;
    }
    if lines.ends_with('\n') {
        observability::stream_says(lines);
    } else {
        observability::stream_says(&format!("{lines}\n"));
    }
}
