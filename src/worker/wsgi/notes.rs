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

    /// Keys are compared case-insensitively, as with gunicorn, and values are converted by `str`. One that cannot be is left out: no
    /// request fails by its line in the log.
    pub fn take(&self, exchange: &Exchange) {
        let mut found = Vec::new();
        // A copy: `str` may run the app's code, which may change the environ.
        for item in self.environ.items() {
            let Ok((key, value)) = item.extract::<(Bound<'_, PyString>, Bound<'_, PyAny>)>() else {
                continue;
            };
            let key = key.to_string_lossy().to_lowercase();
            if self.wanted.is_none_or(|wanted| wanted.contains(&key))
                && let Ok(value) = value.str()
            {
                let value = value.to_string_lossy().into_owned();
                found.push((key, value.into_bytes()));
            }
        }
        exchange.note_environ(found);
    }
}
