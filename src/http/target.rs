//! The forms of a request target (RFC 9112 §3.2). Decoding is in `path.rs`.

use super::authority::is_host;
use super::head::Span;
use super::refusal::Refusal;

/// A target taken apart; spans are offsets into the head.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct RequestTarget {
    /// Empty: the root, of an absolute-form target without a path.
    pub path: Span,
    pub query: Span,
    /// Of an absolute-form target: replaces Host.
    pub authority: Option<Span>,
}

/// Origin-form for every method, absolute-form (http, https), `*` for OPTIONS only; authority-form is CONNECT's,
/// which is not served.
pub(super) fn parse(method: &[u8], head: &[u8], target: Span) -> Result<RequestTarget, Refusal> {
    let bytes = target.of(head);
    // Visible ASCII only, and a fragment is never sent. Without a branch, so that it vectorises.
    let bad = bytes.iter().fold(false, |bad, &byte| {
        bad | (byte <= b' ') | (byte >= 0x7f) | (byte == b'#')
    });
    if bad {
        return Err(Refusal::BadTarget);
    }
    if method == b"CONNECT" {
        let authority = !bytes.is_empty() && bytes.contains(&b':') && is_host(bytes);
        return Err(if authority {
            Refusal::ConnectUnsupported
        } else {
            Refusal::BadTarget
        });
    }
    match bytes {
        [b'/', ..] => Ok(split_query(bytes, target.start, None)),
        b"*" if method == b"OPTIONS" => Ok(RequestTarget {
            path: target,
            query: Span::default(),
            authority: None,
        }),
        _ => absolute(bytes, target.start),
    }
}

fn absolute(bytes: &[u8], start: u32) -> Result<RequestTarget, Refusal> {
    let scheme = [&b"http://"[..], b"https://"]
        .into_iter()
        .find(|scheme| {
            bytes
                .get(..scheme.len())
                .is_some_and(|begin| begin.eq_ignore_ascii_case(scheme))
        })
        .ok_or(Refusal::BadTarget)?;
    let after = &bytes[scheme.len()..];
    let len = after
        .iter()
        .position(|byte| matches!(byte, b'/' | b'?'))
        .unwrap_or(after.len());
    let (authority, rest) = after.split_at(len);
    // An http URI has a host (RFC 9110 §4.2.1) and no user information (§4.2.4).
    if matches!(authority, [] | [b':', ..]) || !is_host(authority) {
        return Err(Refusal::BadTarget);
    }
    let authority_start = start + scheme.len() as u32;
    let authority = Span {
        start: authority_start,
        len: len as u32,
    };
    Ok(split_query(
        rest,
        authority_start + len as u32,
        Some(authority),
    ))
}

fn split_query(bytes: &[u8], start: u32, authority: Option<Span>) -> RequestTarget {
    let len = bytes.len() as u32;
    let Some(mark) = memchr::memchr(b'?', bytes) else {
        return RequestTarget {
            path: Span { start, len },
            query: Span::default(),
            authority,
        };
    };
    let mark = mark as u32;
    RequestTarget {
        path: Span { start, len: mark },
        query: Span {
            start: start + mark + 1,
            len: len - mark - 1,
        },
        authority,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Path, query and authority, or the refusal.
    fn read<'a>(
        method: &str,
        target: &'a str,
    ) -> Result<(&'a str, &'a str, Option<&'a str>), Refusal> {
        let span = Span {
            start: 0,
            len: target.len() as u32,
        };
        let text = |span: Span| std::str::from_utf8(span.of(target.as_bytes())).unwrap();
        parse(method.as_bytes(), target.as_bytes(), span).map(|parts| {
            (
                text(parts.path),
                text(parts.query),
                parts.authority.map(text),
            )
        })
    }

    #[test]
    fn forms() {
        for (method, target, parts) in [
            ("GET", "/", ("/", "", None)),
            ("GET", "/a/b?c=d?e", ("/a/b", "c=d?e", None)),
            ("GET", "/?", ("/", "", None)),
            ("GET", "//host/a", ("//host/a", "", None)),
            ("GET", "/a|b{}^\"<>", ("/a|b{}^\"<>", "", None)),
            ("GET", "http://h/p?q", ("/p", "q", Some("h"))),
            ("GET", "HTTPS://h:8443", ("", "", Some("h:8443"))),
            ("GET", "http://h?q", ("", "q", Some("h"))),
            ("GET", "http://[::1]:80/x", ("/x", "", Some("[::1]:80"))),
            ("OPTIONS", "*", ("*", "", None)),
            ("OPTIONS", "/x", ("/x", "", None)),
        ] {
            assert_eq!(read(method, target), Ok(parts), "{method} {target}");
        }
        for (method, target) in [
            ("GET", "*"),
            ("GET", "h:80"),
            ("GET", "a/b"),
            ("GET", "?q"),
            ("GET", "/a#b"),
            ("GET", "/\u{e9}"),
            ("GET", "/\u{7f}"),
            ("GET", "http://"),
            ("GET", "http:///x"),
            ("GET", "http://:80/x"),
            ("GET", "http://u@h/x"),
            ("GET", "http://u:p@h/x"),
            ("GET", "ftp://h/x"),
            ("GET", "http:/x"),
            ("GET", "http://h:99999/"),
            ("OPTIONS", "**"),
            ("CONNECT", "/x"),
            ("CONNECT", "h"),
            ("CONNECT", "u@h:80"),
            ("CONNECT", "http://h/"),
        ] {
            assert_eq!(
                read(method, target),
                Err(Refusal::BadTarget),
                "{method} {target}"
            );
        }
        assert_eq!(read("CONNECT", "h:443"), Err(Refusal::ConnectUnsupported));
    }
}
