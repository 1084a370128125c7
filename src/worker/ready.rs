//! The `--ready-path` request, which a new worker makes to itself, and the check of its response.

use pyo3::prelude::*;
use pyo3::types::PyBytes;

use memchr::memmem;

use super::python::{self, Scripts};
use crate::config::Settings;

#[pyclass(frozen, module = "rgun")]
pub struct ReadyProbe {
    path: String,
    host: String,
}

impl ReadyProbe {
    /// `None`: no `--ready-path` is set.
    ///
    /// # Errors
    /// What the app raises when it is inspected.
    pub fn new(
        py: Python<'_>,
        scripts: &Scripts,
        settings: &Settings,
        app: &Py<PyAny>,
    ) -> PyResult<Option<Self>> {
        let Some(path) = settings.ready_path.clone() else {
            return Ok(None);
        };
        let host = match &settings.ready_host {
            Some(host) => host.clone(),
            None => python::ready_host(py, scripts, app)?,
        };
        Ok(Some(Self { path, host }))
    }

    pub fn bytes(&self) -> Vec<u8> {
        let Self { path, host } = self;
        format!("GET {path} HTTP/1.1\r\nhost: {host}\r\nuser-agent: rgun-ready\r\nconnection: close\r\n\r\n").into_bytes()
    }
}

#[pymethods]
impl ReadyProbe {
    fn request<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, &self.bytes())
    }

    /// The status of the response, as soon as `received` has it. Interim responses (RFC 9110 §15.2) come before it.
    pub fn status(&self, received: &[u8]) -> Option<u16> {
        status(received)
    }

    /// Why the worker is not ready; `None`: it is. `status`: of the response, if there was one.
    pub fn complaint(&self, status: Option<u16>) -> Option<String> {
        let Self { path, host } = self;
        match status {
            Some(200..400) => None,
            // Most often Django's ALLOWED_HOSTS, or a similar check.
            Some(400) => Some(format!(
                "{path} answered 400 to the Host \"{host}\"; --ready-host sets another one that the app accepts"
            )),
            Some(status) => Some(format!("{path} answered {status}")),
            None => Some(format!("{path} answered nothing")),
        }
    }
}

fn status(mut received: &[u8]) -> Option<u16> {
    loop {
        let code = std::str::from_utf8(received.get(9..12)?).ok()?;
        match code.parse().ok()? {
            // 101 ends HTTP on the connection: no other response follows.
            100 | 102..200 => {}
            code => return Some(code),
        }
        let end = memmem::find(received, b"\r\n\r\n")?;
        received = received.get(end + 4..)?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn interim_responses_are_skipped() {
        let whole = b"HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\nHTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n";
        let known = whole.len() - b" No Content\r\n\r\n".len();
        for length in 0..=whole.len() {
            let expected = (length >= known).then_some(204);
            assert_eq!(status(&whole[..length]), expected, "{length}");
        }
        assert_eq!(status(b"HTTP/1.1 503 "), Some(503));
        assert_eq!(status(b"HTTP/1.1 101 Switching Protocols\r\n"), Some(101));
        assert_eq!(status(b"HTTP/1.1 abc"), None);
    }

    #[test]
    fn a_400_names_the_host_and_the_option() {
        let probe = ReadyProbe {
            path: "/healthz".to_owned(),
            host: "shop.example".to_owned(),
        };
        assert_eq!(probe.complaint(Some(204)), None);
        assert_eq!(probe.complaint(Some(301)), None);
        let complaint = probe.complaint(Some(400)).expect("not ready");
        assert!(complaint.contains("\"shop.example\"") && complaint.contains("--ready-host"));
        assert_eq!(
            probe.complaint(Some(503)).as_deref(),
            Some("/healthz answered 503")
        );
        assert_eq!(
            probe.complaint(None).as_deref(),
            Some("/healthz answered nothing")
        );
    }
}
