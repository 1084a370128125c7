//! `wsgi.errors`: text that apps write to it becomes lines of the error log.

use parking_lot::Mutex;
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::PyString;

use crate::observability;
use crate::worker::python::type_name;

/// An incomplete line with more bytes than this is logged as it is.
const LONGEST: usize = 64 * 1024;

/// One for the whole worker. An incomplete line waits for its end, or for `flush`.
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
        // Text that is no valid UTF-8 (lone surrogates) must stay readable.
        let text = text.to_string_lossy();
        let complete = add(&mut self.begun.lock(), &text);
        log(&complete);
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
        log(&begun);
    }
}

/// Returns the lines completed by that text; the rest waits.
fn add(begun: &mut String, text: &str) -> String {
    let end = text.rfind('\n').map(|end| begun.len() + end + 1);
    begun.push_str(text);
    match end {
        Some(end) => {
            let rest = begun.split_off(end);
            std::mem::replace(begun, rest)
        }
        None if begun.len() > LONGEST => std::mem::take(begun),
        None => String::new(),
    }
}

fn log(lines: &str) {
    if lines.is_empty() {
        return;
    }
    if lines.ends_with('\n') {
        observability::log_wsgi_errors(lines);
    } else {
        observability::log_wsgi_errors(&format!("{lines}\n"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_complete_with_their_end() {
        let mut begun = String::new();
        assert_eq!(add(&mut begun, "a"), "");
        assert_eq!(add(&mut begun, "b\nc\nd"), "ab\nc\n");
        assert_eq!(add(&mut begun, "\n"), "d\n");
        assert_eq!(begun, "");
    }

    #[test]
    fn a_line_without_an_end_does_not_grow_for_ever() {
        let mut begun = String::new();
        let mut written = 0;
        for _ in 0..10_000 {
            written += add(&mut begun, &"x".repeat(100)).len();
            assert!(begun.len() <= LONGEST);
        }
        assert_eq!(written + begun.len(), 1_000_000);
    }
}
