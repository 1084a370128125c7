//! The environ of a request. It does not call the app.

use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString};

use super::core::Core;
use super::names::variable;
use crate::http::{KnownName, RequestHead, Version, decode_path};
use crate::worker::connection::Conn;
use crate::worker::python::latin1;

/// A fresh dict for one request: middleware may change it. `length`: of the body, where it is known.
pub fn build<'py>(
    py: Python<'py>,
    core: &Core,
    conn: &Conn,
    head: &RequestHead,
    length: Option<u64>,
) -> PyResult<Bound<'py, PyDict>> {
    let environ = template(py, core, conn)?.copy()?;
    let names = &core.names;
    environ.set_item(intern!(py, "REQUEST_METHOD"), names.method(py, head))?;
    let target = head.target();
    let raw = names.text(py, target);
    environ.set_item(intern!(py, "RAW_URI"), &raw)?;
    environ.set_item(intern!(py, "REQUEST_URI"), raw)?;
    path(py, core, &environ, head)?;
    environ.set_item(intern!(py, "QUERY_STRING"), names.text(py, head.query()))?;
    if head.version() == Version::Http10 {
        environ.set_item(intern!(py, "SERVER_PROTOCOL"), intern!(py, "HTTP/1.0"))?;
    }
    let forwards = headers(py, core, &environ, head, length.is_some())?;
    if head.is_chunked()
        && let Some(length) = length
    {
        // RFC 9112 §7.1.3: a decoded body has a length and no coding.
        environ.set_item(intern!(py, "CONTENT_LENGTH"), length.to_string())?;
    }
    if conn.listener.is_none_or(|n| core.is_unix(n)) {
        server_from_host(py, &environ, head)?;
    }
    if forwards {
        forwarded(py, &environ, conn, head)?;
    }
    Ok(environ)
}

/// SCRIPT_NAME is in the template; PATH_INFO is what follows it, also where a proxy has cut it off.
fn path(
    py: Python<'_>,
    core: &Core,
    environ: &Bound<'_, PyDict>,
    head: &RequestHead,
) -> PyResult<()> {
    let decoded = decode_path(head.target_path());
    let root = core.office.net.settings.root_path.as_bytes();
    let info = match decoded.strip_prefix(root) {
        Some(rest) if rest.is_empty() || rest.starts_with(b"/") => rest,
        _ => &decoded,
    };
    environ.set_item(intern!(py, "PATH_INFO"), core.names.text(py, info))
}

/// Several fields of one name are one list (RFC 9110 §5.3). True: some of them may tell of a proxy.
fn headers(
    py: Python<'_>,
    core: &Core,
    environ: &Bound<'_, PyDict>,
    head: &RequestHead,
    length_known: bool,
) -> PyResult<bool> {
    let mut seen = 0u64;
    let mut forwards = false;
    for field in head.headers() {
        let Some(known) = field.known else {
            let name = latin1(py, &variable(field.name));
            let value = latin1(py, field.value);
            let value = match environ.get_item(&name)? {
                Some(first) => join(py, &first, ",", &value)?,
                None => value,
            };
            environ.set_item(name, value)?;
            continue;
        };
        match known {
            // The body is decoded; without a length, werkzeug wants to see it.
            KnownName::TransferEncoding if length_known => continue,
            KnownName::XForwardedFor | KnownName::XForwardedProto => forwards = true,
            _ => {}
        }
        let index = known as usize;
        let Some(name) = core.names.header(py, index) else {
            continue;
        };
        let bit = 1u64.checked_shl(index as u32).unwrap_or(0);
        let value = latin1(py, field.value);
        if seen & bit != 0
            && let Some(first) = environ.get_item(name)?
        {
            let separator = if known == KnownName::Cookie {
                "; "
            } else {
                ","
            };
            environ.set_item(name, join(py, &first, separator, &value)?)?;
        } else {
            seen |= bit;
            environ.set_item(name, value)?;
        }
    }
    Ok(forwards)
}

fn join<'py>(
    py: Python<'py>,
    first: &Bound<'py, PyAny>,
    separator: &str,
    second: &Bound<'py, PyString>,
) -> PyResult<Bound<'py, PyString>> {
    Ok(PyString::new(py, separator)
        .call_method1(intern!(py, "join"), ((first, second),))?
        .cast_into()?)
}

/// A unix socket has no name and no port: what the client called us is the best there is.
fn server_from_host(
    py: Python<'_>,
    environ: &Bound<'_, PyDict>,
    head: &RequestHead,
) -> PyResult<()> {
    let Some(host) = head.header(KnownName::Host).filter(|host| !host.is_empty()) else {
        return Ok(());
    };
    let port_at = host
        .iter()
        .rposition(|&byte| byte == b':')
        .filter(|&at| !host[at..].contains(&b']'));
    let (name, port) = port_at.map_or((host, &b""[..]), |at| (&host[..at], &host[at + 1..]));
    environ.set_item(intern!(py, "SERVER_NAME"), latin1(py, name))?;
    if !port.is_empty() {
        environ.set_item(intern!(py, "SERVER_PORT"), latin1(py, port))?;
    }
    Ok(())
}

fn forwarded(
    py: Python<'_>,
    environ: &Bound<'_, PyDict>,
    conn: &Conn,
    head: &RequestHead,
) -> PyResult<()> {
    let seen = conn
        .net
        .forwarded
        .seen(conn.peer.map(|peer| peer.ip()), head);
    if let Some(scheme) = seen.scheme {
        environ.set_item(intern!(py, "wsgi.url_scheme"), scheme)?;
        if scheme == "https" {
            environ.set_item(intern!(py, "HTTPS"), intern!(py, "on"))?;
        }
    }
    if let Some(client) = seen.client {
        environ.set_item(intern!(py, "REMOTE_ADDR"), client)?;
        environ.set_item(intern!(py, "REMOTE_PORT"), intern!(py, "0"))?;
    }
    Ok(())
}

/// What is the same for all requests of a connection.
fn template<'py>(py: Python<'py>, core: &Core, conn: &Conn) -> PyResult<Bound<'py, PyDict>> {
    if let Some(template) = conn
        .slot
        .get()
        .and_then(|slot| slot.downcast_ref::<Py<PyDict>>())
    {
        return Ok(template.bind(py).clone());
    }
    let environ = core.template.bind(py).copy()?;
    let (address, port) = match conn.peer {
        Some(peer) => (
            peer.ip().to_canonical().to_string(),
            peer.port().to_string(),
        ),
        None => Default::default(),
    };
    environ.set_item(intern!(py, "REMOTE_ADDR"), address)?;
    environ.set_item(intern!(py, "REMOTE_PORT"), port)?;
    let server = conn
        .listener
        .and_then(|index| core.office.addresses.get(index));
    let (name, port) = match server {
        Some((host, Some(port))) => (host.as_str(), port.to_string()),
        Some((_, None)) | None => ("localhost", "80".to_owned()),
    };
    environ.set_item(intern!(py, "SERVER_NAME"), name)?;
    environ.set_item(intern!(py, "SERVER_PORT"), port)?;
    conn.slot.get_or_init(|| Box::new(environ.clone().unbind()));
    Ok(environ)
}
