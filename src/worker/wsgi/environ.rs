//! Builds the environ of a request.

use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString};

use super::core::WsgiCore;
use super::names::variable;
use crate::http::{KnownName, RequestHead, Version, decode_path};
use crate::proxy::{ForwardedRequest, Scheme};
use crate::tls::Certificate;
use crate::worker::connection::Conn;
use crate::worker::exchange::Exchange;
use crate::worker::python::latin1;
use crate::worker::tls::TlsFacts;

/// A new dict for one request: middleware may change it. `length`: of the body, where it is known.
pub fn build<'py>(
    py: Python<'py>,
    core: &WsgiCore,
    exchange: &Exchange,
    head: &RequestHead,
    length: Option<u64>,
) -> PyResult<Bound<'py, PyDict>> {
    let conn = &*exchange.conn;
    let forwarded = exchange.forwarded.as_deref();
    let environ = template(py, core, conn)?.copy()?;
    let names = &core.names;
    environ.set_item(intern!(py, "REQUEST_METHOD"), names.method(py, head))?;
    let target = head.target();
    let raw = names.text(py, target);
    environ.set_item(intern!(py, "RAW_URI"), &raw)?;
    environ.set_item(intern!(py, "REQUEST_URI"), raw)?;
    path(py, core, &environ, head, forwarded)?;
    environ.set_item(intern!(py, "QUERY_STRING"), names.text(py, head.query()))?;
    match head.version() {
        // Already in the template.
        Version::Http11 => {}
        Version::Http10 => {
            environ.set_item(intern!(py, "SERVER_PROTOCOL"), intern!(py, "HTTP/1.0"))?;
        }
        Version::Http2 => {
            environ.set_item(intern!(py, "SERVER_PROTOCOL"), intern!(py, "HTTP/2.0"))?;
        }
    }
    headers(py, core, &environ, head, length.is_some())?;
    if head.has_open_length()
        && let Some(length) = length
    {
        // RFC 9112 §7.1.3: a decoded body has a length and no coding.
        environ.set_item(intern!(py, "CONTENT_LENGTH"), length.to_string())?;
    }
    if conn.server().is_none() && conn.listener().is_none_or(|n| core.is_unix(n)) {
        let scheme = forwarded.and_then(|forwarded| forwarded.scheme);
        server_from_host(py, &environ, head, scheme.unwrap_or(conn.scheme()))?;
    }
    if let Some(forwarded) = forwarded {
        replace(py, forwarded, conn.scheme(), &environ)?;
    }
    if core.context.leadership.is_held() {
        // PEP 3333: what is not `wsgi.` is a string.
        environ.set_item(intern!(py, "rgun.leader"), intern!(py, "1"))?;
    }
    Ok(environ)
}

/// SCRIPT_NAME is in the template; PATH_INFO is the rest, also where a proxy has removed the prefix.
fn path(
    py: Python<'_>,
    core: &WsgiCore,
    environ: &Bound<'_, PyDict>,
    head: &RequestHead,
    forwarded: Option<&ForwardedRequest>,
) -> PyResult<()> {
    let decoded = decode_path(head.target_path());
    let root = match forwarded.and_then(|forwarded| forwarded.prefix.as_deref()) {
        Some(prefix) => {
            environ.set_item(intern!(py, "SCRIPT_NAME"), latin1(py, prefix.as_bytes()))?;
            prefix.as_bytes()
        }
        None => core.context.net.settings.root_path.as_bytes(),
    };
    let info = match decoded.strip_prefix(root) {
        Some(rest) if rest.is_empty() || rest.starts_with(b"/") => rest,
        _ => &decoded,
    };
    environ.set_item(intern!(py, "PATH_INFO"), core.names.text(py, info))
}

/// Several fields of one name are joined as one list (RFC 9110 §5.3).
fn headers(
    py: Python<'_>,
    core: &WsgiCore,
    environ: &Bound<'_, PyDict>,
    head: &RequestHead,
    length_known: bool,
) -> PyResult<()> {
    let mut seen = 0u64;
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
            // The body is decoded; without a length, werkzeug needs this header.
            KnownName::TransferEncoding if length_known => continue,
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
    Ok(())
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

/// A unix socket has no host and no port: the `Host` field is the best substitute, with the scheme's port as its default.
fn server_from_host(
    py: Python<'_>,
    environ: &Bound<'_, PyDict>,
    head: &RequestHead,
    scheme: Scheme,
) -> PyResult<()> {
    let server_port = intern!(py, "SERVER_PORT");
    let Some(host) = head.header(KnownName::Host).filter(|host| !host.is_empty()) else {
        return environ.set_item(server_port, scheme.port().to_string());
    };
    let port_at = host
        .iter()
        .rposition(|&byte| byte == b':')
        .filter(|&at| !host[at..].contains(&b']'));
    let (name, port) = port_at.map_or((host, &b""[..]), |at| (&host[..at], &host[at + 1..]));
    environ.set_item(intern!(py, "SERVER_NAME"), latin1(py, name))?;
    if port.is_empty() {
        environ.set_item(server_port, scheme.port().to_string())
    } else {
        environ.set_item(server_port, latin1(py, port))
    }
}

/// Values from a trusted proxy replace those of the connection, whose scheme is `scheme`.
fn replace(
    py: Python<'_>,
    forwarded: &ForwardedRequest,
    scheme: Scheme,
    environ: &Bound<'_, PyDict>,
) -> PyResult<()> {
    if let Some(scheme) = forwarded.scheme {
        environ.set_item(intern!(py, "wsgi.url_scheme"), scheme.as_str())?;
        match scheme {
            Scheme::Https => environ.set_item(intern!(py, "HTTPS"), intern!(py, "on"))?,
            // The proxy's own connection may use TLS.
            Scheme::Http if environ.contains(intern!(py, "HTTPS"))? => {
                environ.del_item(intern!(py, "HTTPS"))?;
            }
            Scheme::Http => {}
        }
    }
    if let Some(client) = forwarded.client {
        environ.set_item(intern!(py, "REMOTE_ADDR"), client.address.to_string())?;
        environ.set_item(intern!(py, "REMOTE_PORT"), client.port.to_string())?;
    }
    if let Some((name, port)) = forwarded.server(scheme) {
        environ.set_item(intern!(py, "SERVER_NAME"), name)?;
        environ.set_item(intern!(py, "SERVER_PORT"), port.to_string())?;
    } else if let Some(port) = forwarded.port {
        environ.set_item(intern!(py, "SERVER_PORT"), port.to_string())?;
    }
    if let Some(host) = forwarded.host_field() {
        environ.set_item(intern!(py, "HTTP_HOST"), host)?;
    }
    Ok(())
}

/// The names are those of Apache's mod_ssl.
fn tls(py: Python<'_>, facts: &TlsFacts, environ: &Bound<'_, PyDict>) -> PyResult<()> {
    environ.set_item(intern!(py, "wsgi.url_scheme"), intern!(py, "https"))?;
    environ.set_item(intern!(py, "HTTPS"), intern!(py, "on"))?;
    environ.set_item("SSL_PROTOCOL", facts.protocol())?;
    environ.set_item("SSL_CIPHER", facts.cipher())?;
    if let Some(name) = &facts.server_name {
        environ.set_item("SSL_SERVER_NAME", name)?;
    }
    let Some(certificate) = facts.client_chain.first() else {
        return environ.set_item("SSL_CLIENT_VERIFY", "NONE");
    };
    environ.set_item("SSL_CLIENT_VERIFY", "SUCCESS")?;
    environ.set_item("SSL_CLIENT_CERT", Certificate::pem(certificate))?;
    if let Some(name) = facts.client_name() {
        environ.set_item("SSL_CLIENT_S_DN", latin1(py, name.as_bytes()))?;
    }
    Ok(())
}

/// The items that are the same for all requests of a connection.
fn template<'py>(py: Python<'py>, core: &WsgiCore, conn: &Conn) -> PyResult<Bound<'py, PyDict>> {
    if let Some(template) = conn
        .slot
        .get()
        .and_then(|slot| slot.downcast_ref::<Py<PyDict>>())
    {
        return Ok(template.bind(py).clone());
    }
    let environ = core.template.bind(py).copy()?;
    let (address, port) = match conn.client() {
        Some(peer) => (
            peer.ip().to_canonical().to_string(),
            peer.port().to_string(),
        ),
        None => Default::default(),
    };
    environ.set_item(intern!(py, "REMOTE_ADDR"), address)?;
    environ.set_item(intern!(py, "REMOTE_PORT"), port)?;
    let server = conn
        .listener()
        .and_then(|index| core.context.addresses.get(index));
    let (name, port) = match (conn.server(), server) {
        (Some(server), _) => (server.ip().to_string(), server.port().to_string()),
        (None, Some((host, Some(port)))) => (host.clone(), port.to_string()),
        // The port depends on the request (`server_from_host`).
        (None, Some((_, None)) | None) => ("localhost".to_owned(), String::new()),
    };
    environ.set_item(intern!(py, "SERVER_NAME"), name)?;
    environ.set_item(intern!(py, "SERVER_PORT"), port)?;
    if let Some(facts) = conn.tls() {
        tls(py, facts, &environ)?;
    }
    conn.slot.get_or_init(|| Box::new(environ.clone().unbind()));
    Ok(environ)
}
