//! Conversion between Python strings and latin-1 bytes, as PEP 3333 requires.

use std::borrow::Cow;

use pyo3::exceptions::PyValueError;
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::PyString;

/// The string whose code points are those bytes.
pub fn latin1<'py>(py: Python<'py>, bytes: &[u8]) -> Bound<'py, PyString> {
    let length = bytes.len().cast_signed();
    // SAFETY: pointer and length come from one slice, the GIL is held, and no error handler is named (latin-1 has no errors).
    let text =
        unsafe { ffi::PyUnicode_DecodeLatin1(bytes.as_ptr().cast(), length, std::ptr::null()) };
    // SAFETY: a new reference to a str; null (out of memory) makes pyo3 panic, which becomes an exception.
    unsafe { Bound::from_owned_ptr(py, text).cast_into_unchecked() }
}

/// The bytes of a native string. `what` names it in the error.
pub fn to_latin1<'a>(text: &'a Bound<'_, PyString>, what: &str) -> PyResult<Cow<'a, [u8]>> {
    let utf8 = text.to_str()?;
    if utf8.is_ascii() {
        return Ok(Cow::Borrowed(utf8.as_bytes()));
    }
    let bytes: Result<Vec<u8>, _> = utf8.chars().map(u8::try_from).collect();
    bytes.map(Cow::Owned).map_err(|_| {
        PyValueError::new_err(format!("{what} has characters beyond latin-1: {utf8:?}"))
    })
}

/// A string for the log. What UTF-8 does not have is escaped as Python does: lone surrogates, which come from names and fields
/// that were not UTF-8.
pub fn logged(text: &Bound<'_, PyAny>) -> PyResult<String> {
    let text = text.cast::<PyString>()?;
    if let Ok(text) = text.to_str() {
        return Ok(text.to_owned());
    }
    let escaped = text.call_method1("encode", ("utf-8", "backslashreplace"))?;
    Ok(String::from_utf8_lossy(escaped.extract()?).into_owned())
}

/// The name of an object's type, for error messages.
pub fn type_name(object: &Bound<'_, PyAny>) -> String {
    object
        .get_type()
        .name()
        .map_or_else(|_| "?".to_owned(), |name| name.to_string())
}

/// The package that an object's type comes from, such as `uvloop`.
pub fn package_of(object: &Bound<'_, PyAny>) -> String {
    let module = object.get_type().module();
    let module = module.map_or_else(|_| "?".to_owned(), |name| name.to_string());
    module.split('.').next().unwrap_or_default().to_owned()
}
