//! The head of a request in the form of HTTP/1.1 (RFC 9113 §8.3.1), to be examined like every other one.

use bytes::{BufMut, BytesMut};
use h2::ext::Protocol;
use http_types::{HeaderMap, Method, Request, header};

use crate::http::is_forbidden_trailer;

/// The key of RFC 6455's example: the accept value for it is not sent.
const KEY: &[u8] = b"dGhlIHNhbXBsZSBub25jZQ==";

/// The client's purpose in opening a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StreamPurpose {
    Request,
    /// RFC 8441.
    WebSocket,
}

/// `None`: there is no target, or the request is malformed.
pub fn head<T>(request: &Request<T>) -> Option<(BytesMut, StreamPurpose)> {
    let uri = request.uri();
    let protocol = request.extensions().get::<Protocol>();
    let purpose = match protocol.map(Protocol::as_str) {
        Some("websocket") => StreamPurpose::WebSocket,
        // Of another protocol the request is a CONNECT, which is refused.
        Some(_) | None => StreamPurpose::Request,
    };
    let mut out = BytesMut::with_capacity(512);
    let authority = uri
        .authority()
        .map(|authority| authority.as_str().as_bytes());
    match (request.method(), purpose) {
        (&Method::CONNECT, StreamPurpose::Request) => {
            out.put_slice(b"CONNECT ");
            out.put_slice(authority?);
        }
        (method, _) => {
            let method = match purpose {
                StreamPurpose::Request => method.as_str(),
                StreamPurpose::WebSocket => "GET",
            };
            out.put_slice(method.as_bytes());
            out.put_u8(b' ');
            out.put_slice(uri.path_and_query()?.as_str().as_bytes());
        }
    }
    out.put_slice(b" HTTP/1.1\r\n");
    if let Some(authority) = authority {
        push(&mut out, b"host", authority);
    }
    let scheme = uri.scheme_str().unwrap_or_default();
    let mut cookies = Vec::new();
    for (name, value) in request.headers() {
        let value = value.as_bytes();
        if is_padded(value) {
            return None;
        }
        match *name {
            // Of another entity than the target it is refused, as a second Host.
            header::HOST
                if authority.is_some_and(|authority| is_same(authority, value, scheme)) => {}
            // RFC 9113 §8.2.3.
            header::COOKIE => cookies.push(value),
            header::SEC_WEBSOCKET_KEY if purpose == StreamPurpose::WebSocket => {}
            _ => push(&mut out, name.as_str().as_bytes(), value),
        }
    }
    if !cookies.is_empty() {
        push(&mut out, b"cookie", &cookies.join(&b"; "[..]));
    }
    if purpose == StreamPurpose::WebSocket {
        push(&mut out, b"connection", b"upgrade");
        push(&mut out, b"upgrade", b"websocket");
        push(&mut out, b"sec-websocket-key", KEY);
    }
    out.put_slice(b"\r\n");
    Some((out, purpose))
}

/// Whether a request may have these behind its content. h2 has left out pseudo-header fields.
pub fn may_be_trailers(fields: &HeaderMap) -> bool {
    !(fields.keys()).any(|name| is_forbidden_trailer(name.as_str().as_bytes()))
}

/// Whether both name the same entity: in whatever case, and with or without the scheme's port (RFC 9110 §4.2.3).
fn is_same(authority: &[u8], host: &[u8], scheme: &str) -> bool {
    let usual: &[u8] = match scheme {
        "https" => b":443",
        "http" => b":80",
        _ => b":",
    };
    let spelled = |text| {
        let without_port = <[u8]>::strip_suffix(text, usual);
        without_port
            .or_else(|| text.strip_suffix(b":"))
            .unwrap_or(text)
    };
    spelled(authority).eq_ignore_ascii_case(spelled(host))
}

/// RFC 9113 §8.2.1: a value does not begin or end with white space.
fn is_padded(value: &[u8]) -> bool {
    let is_space = |byte: Option<&u8>| matches!(byte, Some(b' ' | b'\t'));
    is_space(value.first()) || is_space(value.last())
}

fn push(out: &mut BytesMut, name: &[u8], value: &[u8]) {
    out.put_slice(name);
    out.put_slice(b": ");
    out.put_slice(value);
    out.put_slice(b"\r\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(request: Request<()>) -> String {
        let (head, _) = head(&request).expect("a target");
        String::from_utf8(head.to_vec()).expect("text")
    }

    #[test]
    fn the_authority_is_the_host_and_cookies_are_joined() {
        let request = Request::post("https://example.org/a%20b?c=d")
            .header("cookie", "a=1")
            .header("accept", "*/*")
            .header("cookie", "b=2")
            .header("host", "example.org")
            .body(())
            .expect("a request");
        assert_eq!(
            text(request),
            "POST /a%20b?c=d HTTP/1.1\r\nhost: example.org\r\naccept: */*\r\ncookie: a=1; b=2\r\n\r\n"
        );
    }

    #[test]
    fn another_host_than_the_authority_is_a_second_one() {
        let request = Request::get("https://example.org/")
            .header("host", "other.example")
            .body(())
            .expect("a request");
        assert_eq!(text(request).matches("host: ").count(), 2);
    }

    #[test]
    fn another_spelling_of_the_authority_is_no_second_host() {
        for (uri, host, hosts) in [
            ("https://example.org/", "Example.ORG", 1),
            ("https://example.org/", "example.org:443", 1),
            ("https://example.org:443/", "example.org", 1),
            ("https://example.org:443/", "example.org:", 1),
            ("http://EXAMPLE.org/", "example.org:80", 1),
            ("http://[::1]/", "[::1]:80", 1),
            ("http://example.org/", "example.org:443", 2),
            ("https://example.org/", "example.org:80", 2),
            ("https://example.org:8443/", "example.org", 2),
            ("https://example.org/", "", 2),
        ] {
            let request = Request::get(uri).header("host", host).body(());
            let text = text(request.expect("a request"));
            assert_eq!(text.matches("host: ").count(), hosts, "{uri} {host}");
        }
    }

    #[test]
    fn connect_has_its_authority_for_a_target() {
        let mut request = Request::connect("example.org:443")
            .body(())
            .expect("a request");
        assert_eq!(
            text(request.clone()),
            "CONNECT example.org:443 HTTP/1.1\r\nhost: example.org:443\r\n\r\n"
        );
        *request.uri_mut() = http_types::Uri::from_static("/");
        assert!(head(&request).is_none());
    }
}
