//! The connection scope of a request. It does not call the app.

use std::borrow::Cow;

use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList, PyString};

use super::core::Core;
use crate::http::{RequestHead, Version, decode_path};
use crate::worker::connection::Conn;
use crate::worker::websocket::protocols;

/// A fresh dict for one request: middleware may change it.
pub fn http<'py>(
    py: Python<'py>,
    core: &Core,
    conn: &Conn,
    head: &RequestHead,
) -> PyResult<Bound<'py, PyDict>> {
    let scope = template(py, core, conn)?.copy()?;
    if head.version() == Version::Http10 {
        scope.set_item(intern!(py, "http_version"), intern!(py, "1.0"))?;
    }
    scope.set_item(intern!(py, "method"), core.names.method(py, head))?;
    fill(py, core, conn, head, &scope)?;
    Ok(scope)
}

/// A fresh dict for one WebSocket.
pub fn websocket<'py>(
    py: Python<'py>,
    core: &Core,
    conn: &Conn,
    head: &RequestHead,
) -> PyResult<Bound<'py, PyDict>> {
    let scope = template(py, core, conn)?.copy()?;
    scope.set_item(intern!(py, "type"), intern!(py, "websocket"))?;
    scope.del_item(intern!(py, "method"))?;
    fill(py, core, conn, head, &scope)?;
    let secure = match scope.get_item(intern!(py, "scheme"))? {
        Some(scheme) => scheme.eq("https")?,
        None => false,
    };
    let scheme = if secure {
        intern!(py, "wss")
    } else {
        intern!(py, "ws")
    };
    scope.set_item(intern!(py, "scheme"), scheme)?;
    // Names are tokens, that is ASCII; whatever else a client sends is nobody's subprotocol.
    let offered = protocols(head).filter_map(|name| std::str::from_utf8(name).ok());
    let offered = PyList::new(py, offered.collect::<Vec<_>>())?;
    scope.set_item(intern!(py, "subprotocols"), offered)?;
    let extensions = PyDict::new(py);
    extensions.set_item(intern!(py, "websocket.http.response"), PyDict::new(py))?;
    scope.set_item(intern!(py, "extensions"), extensions)?;
    Ok(scope)
}

/// What both have.
fn fill(
    py: Python<'_>,
    core: &Core,
    conn: &Conn,
    head: &RequestHead,
    scope: &Bound<'_, PyDict>,
) -> PyResult<()> {
    let names = &core.names;
    scope.set_item(intern!(py, "asgi"), versions(py)?)?;
    let raw_path = head.target_path();
    scope.set_item(
        intern!(py, "path"),
        path(py, &core.office.net.settings.root_path, raw_path),
    )?;
    scope.set_item(intern!(py, "raw_path"), names.bytes(py, raw_path))?;
    scope.set_item(intern!(py, "query_string"), names.bytes(py, head.query()))?;
    let headers = PyList::new(
        py,
        head.headers()
            .map(|field| (names.header(py, &field), names.bytes(py, field.value))),
    )?;
    scope.set_item(intern!(py, "headers"), headers)?;
    if let Some(state) = core.state.get() {
        scope.set_item(intern!(py, "state"), state.bind(py).copy()?)?;
    }
    let forwarded = conn
        .net
        .forwarded
        .seen(conn.peer.map(|peer| peer.ip()), head);
    if let Some(scheme) = forwarded.scheme {
        scope.set_item(intern!(py, "scheme"), scheme)?;
    }
    if let Some(client) = forwarded.client {
        scope.set_item(intern!(py, "client"), (client, 0))?;
    }
    Ok(())
}

fn versions(py: Python<'_>) -> PyResult<Bound<'_, PyDict>> {
    let versions = PyDict::new(py);
    versions.set_item(intern!(py, "version"), intern!(py, "3.0"))?;
    versions.set_item(intern!(py, "spec_version"), intern!(py, "2.5"))?;
    Ok(versions)
}

/// Percent-decoded, then UTF-8; what is not UTF-8 becomes U+FFFD. With the root path in front, where a proxy has cut it off.
fn path<'py>(py: Python<'py>, root_path: &str, raw: &[u8]) -> Bound<'py, PyString> {
    let decoded = decode_path(raw);
    let text = String::from_utf8_lossy(&decoded);
    if root_path.is_empty() || starts_with_root(&text, root_path) {
        return PyString::new(py, &text);
    }
    let whole: Cow<'_, str> = Cow::Owned(format!("{root_path}{text}"));
    PyString::new(py, &whole)
}

fn starts_with_root(path: &str, root_path: &str) -> bool {
    path.strip_prefix(root_path)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
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
    let scope = PyDict::new(py);
    // In the order in which the specification lists them, for people who print a scope.
    for key in [
        "type",
        "asgi",
        "http_version",
        "method",
        "scheme",
        "path",
        "raw_path",
        "query_string",
        "root_path",
        "headers",
    ] {
        scope.set_item(PyString::intern(py, key), py.None())?;
    }
    scope.set_item(intern!(py, "type"), intern!(py, "http"))?;
    scope.set_item(intern!(py, "http_version"), intern!(py, "1.1"))?;
    scope.set_item(intern!(py, "scheme"), intern!(py, "http"))?;
    scope.set_item(
        intern!(py, "root_path"),
        PyString::intern(py, &core.office.net.settings.root_path),
    )?;
    match conn.peer {
        Some(peer) => scope.set_item(
            intern!(py, "client"),
            (peer.ip().to_canonical().to_string(), peer.port()),
        )?,
        None => scope.set_item(intern!(py, "client"), py.None())?,
    }
    match conn
        .listener
        .and_then(|index| core.office.addresses.get(index))
    {
        Some((host, port)) => scope.set_item(intern!(py, "server"), (host, *port))?,
        None => scope.set_item(intern!(py, "server"), py.None())?,
    }
    conn.slot.get_or_init(|| Box::new(scope.clone().unbind()));
    Ok(scope)
}
