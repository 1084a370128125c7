//! Values of the environ for an access log format (`%({x}e)s`), as the app has left them.

use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString};

use super::core::WsgiCore;
use crate::worker::exchange::Exchange;

pub struct Notes<'c, 'py> {
    /// `None`: all of it, for Python's formatters.
    wanted: Option<&'c [String]>,
    environ: Bound<'py, PyDict>,
}

impl<'c, 'py> Notes<'c, 'py> {
    /// `None` where no format uses any.
    pub fn of(core: &'c WsgiCore, environ: &Bound<'py, PyDict>) -> Option<Notes<'c, 'py>> {
        let wanted = core.context.net.ledger.wanted_environ();
        (!wanted.is_some_and(<[String]>::is_empty)).then(|| Notes {
            wanted,
            environ: environ.clone(),
        })
    }

    /// Keys are compared case-insensitively, as with gunicorn, and values are converted by `str`.
    pub fn take(&self, exchange: &Exchange) -> PyResult<()> {
        let mut found = Vec::new();
        for (key, value) in &self.environ {
            let Ok(key) = key.cast::<PyString>() else {
                continue;
            };
            let key = key.to_string_lossy().to_lowercase();
            match self.wanted {
                None => found.extend(value.str().ok().map(|value| (key, bytes(&value)))),
                Some(wanted) if wanted.contains(&key) => found.push((key, bytes(&value.str()?))),
                Some(_) => {}
            }
        }
        exchange.note_environ(found);
        Ok(())
    }
}

fn bytes(value: &Bound<'_, PyString>) -> Vec<u8> {
    value.to_string_lossy().into_owned().into_bytes()
}
