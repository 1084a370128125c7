//! Builds the connection scope of a request.

use std::borrow::Cow;

use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyList, PyString};

use super::core::AsgiCore;
use crate::http::{RequestHead, Version, decode_path};
use crate::proxy::{ForwardedRequest, Scheme};
use crate::tls::Certificate;
use crate::worker::connection::Conn;
use crate::worker::exchange::Exchange;
use crate::worker::tls::TlsFacts;
use crate::worker::websocket::protocols;

/// A new dict for one request: middleware may change it.
pub fn http<'py>(
    py: Python<'py>,
    core: &AsgiCore,
    exchange: &Exchange,
    head: &RequestHead,
) -> PyResult<Bound<'py, PyDict>> {
    let scope = template(py, core, &exchange.conn)?.copy()?;
    version(py, head, &scope)?;
    scope.set_item(intern!(py, "method"), core.names.method(py, head))?;
    let extensions = core.offers.of(py, head)?;
    add_tls(py, &exchange.conn, &scope, &extensions)?;
    scope.set_item(intern!(py, "extensions"), extensions)?;
    fill(py, core, exchange, head, &scope)?;
    Ok(scope)
}

/// A new dict for one WebSocket.
pub fn websocket<'py>(
    py: Python<'py>,
    core: &AsgiCore,
    exchange: &Exchange,
    head: &RequestHead,
) -> PyResult<Bound<'py, PyDict>> {
    let scope = template(py, core, &exchange.conn)?.copy()?;
    scope.set_item(intern!(py, "type"), intern!(py, "websocket"))?;
    scope.del_item(intern!(py, "method"))?;
    version(py, head, &scope)?;
    fill(py, core, exchange, head, &scope)?;
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
    // Names are tokens, that is ASCII; anything else is no valid subprotocol.
    let offered = protocols(head).filter_map(|name| std::str::from_utf8(name).ok());
    let offered = PyList::new(py, offered.collect::<Vec<_>>())?;
    scope.set_item(intern!(py, "subprotocols"), offered)?;
    let extensions = PyDict::new(py);
    extensions.set_item(intern!(py, "websocket.http.response"), PyDict::new(py))?;
    add_tls(py, &exchange.conn, &scope, &extensions)?;
    scope.set_item(intern!(py, "extensions"), extensions)?;
    Ok(scope)
}

fn version(py: Python<'_>, head: &RequestHead, scope: &Bound<'_, PyDict>) -> PyResult<()> {
    let version = match head.version() {
        // Already in the template.
        Version::Http11 => return Ok(()),
        Version::Http10 => intern!(py, "1.0"),
        Version::Http2 => intern!(py, "2"),
    };
    scope.set_item(intern!(py, "http_version"), version)
}

/// The TLS extension of the connection, cached in its template.
fn add_tls(
    py: Python<'_>,
    conn: &Conn,
    scope: &Bound<'_, PyDict>,
    extensions: &Bound<'_, PyDict>,
) -> PyResult<()> {
    if conn.tls().is_some()
        && let Some(tls) = scope.get_item(intern!(py, "extensions"))?
    {
        extensions.set_item(intern!(py, "tls"), tls)?;
    }
    Ok(())
}

/// As defined by the specification of the TLS extension.
fn tls_extension<'py>(py: Python<'py>, facts: &TlsFacts) -> PyResult<Bound<'py, PyDict>> {
    let tls = PyDict::new(py);
    let server = facts.server_certificate.as_deref().map(Certificate::pem);
    tls.set_item("server_cert", server)?;
    let chain = facts.client_chain.iter();
    let chain: Vec<_> = chain.map(|der| Certificate::pem(der)).collect();
    tls.set_item("client_cert_chain", chain)?;
    tls.set_item("client_cert_name", facts.client_name())?;
    // A client whose certificate is invalid does not get this far.
    tls.set_item("client_cert_error", py.None())?;
    tls.set_item("tls_version", facts.version)?;
    tls.set_item("cipher_suite", facts.cipher_suite)?;
    Ok(tls)
}

/// The items that both kinds of scope have.
fn fill(
    py: Python<'_>,
    core: &AsgiCore,
    exchange: &Exchange,
    head: &RequestHead,
    scope: &Bound<'_, PyDict>,
) -> PyResult<()> {
    let names = &core.names;
    scope.set_item(intern!(py, "asgi"), versions(py)?)?;
    let forwarded = exchange.forwarded.as_deref();
    let raw_path = head.target_path();
    let root_path = match forwarded.and_then(|forwarded| forwarded.prefix.as_deref()) {
        Some(prefix) => {
            scope.set_item(intern!(py, "root_path"), prefix)?;
            prefix
        }
        None => &core.context.net.settings.root_path,
    };
    scope.set_item(intern!(py, "path"), path(py, root_path, raw_path))?;
    scope.set_item(intern!(py, "raw_path"), names.bytes(py, raw_path))?;
    scope.set_item(intern!(py, "query_string"), names.bytes(py, head.query()))?;
    let headers = PyList::new(
        py,
        head.headers()
            .map(|field| (names.header(py, &field), names.bytes(py, field.value))),
    )?;
    if let Some(forwarded) = forwarded {
        replace(py, forwarded, exchange.conn.scheme(), &headers, scope)?;
    }
    scope.set_item(intern!(py, "headers"), headers)?;
    if core.context.leadership.is_held() {
        scope.set_item(intern!(py, "rgun.leader"), true)?;
    }
    if let Some(state) = core.state.get() {
        scope.set_item(intern!(py, "state"), state.bind(py).copy()?)?;
    }
    Ok(())
}

/// Values from a trusted proxy replace those of the connection, whose scheme is `scheme`.
fn replace(
    py: Python<'_>,
    forwarded: &ForwardedRequest,
    scheme: Scheme,
    headers: &Bound<'_, PyList>,
    scope: &Bound<'_, PyDict>,
) -> PyResult<()> {
    if let Some(scheme) = forwarded.scheme {
        scope.set_item(intern!(py, "scheme"), scheme.as_str())?;
    }
    if let Some(client) = forwarded.client {
        let client = (client.address.to_string(), client.port);
        scope.set_item(intern!(py, "client"), client)?;
    }
    if let Some(server) = forwarded.server(scheme) {
        scope.set_item(intern!(py, "server"), server)?;
    } else if let (Some(port), Some(server)) =
        (forwarded.port, scope.get_item(intern!(py, "server"))?)
        && let Ok((host, _)) = server.extract::<(String, u16)>()
    {
        scope.set_item(intern!(py, "server"), (host, port))?;
    }
    if let Some(host) = forwarded.host_field() {
        let name = PyBytes::new(py, b"host");
        let field = (&name, PyBytes::new(py, host.as_bytes()));
        for index in 0..headers.len() {
            if headers.get_item(index)?.get_item(0)?.eq(&name)? {
                return headers.set_item(index, field);
            }
        }
        headers.insert(0, field)?;
    }
    Ok(())
}

fn versions(py: Python<'_>) -> PyResult<Bound<'_, PyDict>> {
    let versions = PyDict::new(py);
    versions.set_item(intern!(py, "version"), intern!(py, "3.0"))?;
    versions.set_item(intern!(py, "spec_version"), intern!(py, "2.5"))?;
    Ok(versions)
}

/// Percent-decoded, then UTF-8; what is not UTF-8 becomes U+FFFD. Prefixed with the root path, where a proxy has
/// removed it.
fn path<'py>(py: Python<'py>, root_path: &str, raw: &[u8]) -> Bound<'py, PyString> {
    let decoded = decode_path(raw);
    let text = String::from_utf8_lossy(&decoded);
    // `OPTIONS *` is about the server, and has no path.
    if root_path.is_empty() || raw == b"*" || starts_with_root(&text, root_path) {
        return PyString::new(py, &text);
    }
    let whole: Cow<'_, str> = Cow::Owned(format!("{root_path}{text}"));
    PyString::new(py, &whole)
}

fn starts_with_root(path: &str, root_path: &str) -> bool {
    path.strip_prefix(root_path)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// The items that are the same for all requests of a connection.
fn template<'py>(py: Python<'py>, core: &AsgiCore, conn: &Conn) -> PyResult<Bound<'py, PyDict>> {
    if let Some(template) = conn
        .slot
        .get()
        .and_then(|slot| slot.downcast_ref::<Py<PyDict>>())
    {
        return Ok(template.bind(py).clone());
    }
    let scope = PyDict::new(py);
    // In the order of the specification, for people who print a scope.
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
    match conn.tls() {
        None => scope.set_item(intern!(py, "scheme"), intern!(py, "http"))?,
        Some(facts) => {
            scope.set_item(intern!(py, "scheme"), intern!(py, "https"))?;
            scope.set_item(intern!(py, "extensions"), tls_extension(py, facts)?)?;
        }
    }
    scope.set_item(
        intern!(py, "root_path"),
        PyString::intern(py, &core.context.net.settings.root_path),
    )?;
    match conn.client() {
        Some(peer) => scope.set_item(
            intern!(py, "client"),
            (peer.ip().to_canonical().to_string(), peer.port()),
        )?,
        None => scope.set_item(intern!(py, "client"), py.None())?,
    }
    let listener = conn
        .listener()
        .and_then(|index| core.context.addresses.get(index));
    match (conn.server(), listener) {
        (Some(server), _) => {
            let server = (server.ip().to_string(), server.port());
            scope.set_item(intern!(py, "server"), server)?;
        }
        (None, Some((host, port))) => scope.set_item(intern!(py, "server"), (host, *port))?,
        (None, None) => scope.set_item(intern!(py, "server"), py.None())?,
    }
    conn.slot.get_or_init(|| Box::new(scope.clone().unbind()));
    Ok(scope)
}
