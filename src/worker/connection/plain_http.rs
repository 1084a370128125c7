//! Responses to plain HTTP beside TLS: a redirect, and the tokens of an ACME client.

use std::path::Path;

use super::conn::Conn;
use super::output::ConnectionOutput;
use super::state::{CloseKind, ConnectionState};
use super::{ending, refusals};
use crate::config::RedirectPort;
use crate::http::{BodyEnd, KnownName, Method, Refusal, RequestHead};
use crate::proxy::{ForwardedRequest, Scheme};
use crate::sys::beneath::{self, Directory, OpenedEntry, Patience};

/// RFC 8555 §8.3.
const CHALLENGES: &[u8] = b"/.well-known/acme-challenge/";
const WELL_KNOWN: &str = ".well-known/acme-challenge";
/// A token and the thumbprint of a key are much shorter.
const LONGEST_CHALLENGE: u64 = 16 * 1024;

/// True: the request was answered.
pub(super) fn answers(
    conn: &Conn,
    s: &mut ConnectionState,
    head: &RequestHead,
    forwarded: Option<&ForwardedRequest>,
) -> bool {
    let settings = &conn.net.settings.plain_http;
    if settings.redirect.is_none() && settings.challenges.is_none() {
        return false;
    }
    let is_secure = forwarded.and_then(|forwarded| forwarded.scheme) == Some(Scheme::Https);
    if is_secure || conn.peer.is_none() || conn.net.tls.at(conn.listener()).is_some() {
        return false;
    }
    if let Some(directory) = &settings.challenges
        && let Some(token) = head.target_path().strip_prefix(CHALLENGES)
    {
        answer_challenge(conn, s, head.known_method(), directory, token);
        return true;
    }
    let port = match settings.redirect {
        None => return false,
        Some(RedirectPort::Given(port)) => Some(port),
        Some(RedirectPort::OfListener) => conn.net.tls.port(),
    };
    match head.header(KnownName::Host).filter(|host| !host.is_empty()) {
        Some(host) => {
            let location = location(host, port, head);
            answer(conn, s, 308, &[(b"location", &location)], b"");
        }
        None => refusals::answer(conn, s, Refusal::HostMissing),
    }
    true
}

fn answer_challenge(
    conn: &Conn,
    s: &mut ConnectionState,
    method: Method,
    directory: &Path,
    token: &[u8],
) {
    let text = (&b"content-type"[..], &b"text/plain"[..]);
    if !matches!(method, Method::Get | Method::Head) {
        let allow = (&b"allow"[..], &b"GET, HEAD"[..]);
        answer(conn, s, 405, &[text, allow], b"Method Not Allowed\n");
        return;
    }
    match challenge(&Directory::new(directory), token) {
        Some(content) => answer(conn, s, 200, &[text], &content),
        None => answer(conn, s, 404, &[text], b"no such token\n"),
    }
}

/// The last response of this connection: the client continues elsewhere.
pub(in crate::worker) fn answer(
    conn: &Conn,
    s: &mut ConnectionState,
    status: u16,
    headers: &[(&[u8], &[u8])],
    body: &[u8],
) {
    s.close_after_answer();
    let length = body.len().to_string();
    let length = (&b"content-length"[..], length.as_bytes());
    let headers = headers.iter().copied().chain([length]);
    let started = {
        let date = conn.net.clock.date();
        s.http.start_response(status, None, headers, &date.1)
    };
    if started.is_ok()
        && let Ok(sent) = s.http.body(body, BodyEnd::Last)
    {
        let pieces = [sent.head, sent.data, sent.tail];
        ConnectionOutput::of(&mut s.transport, &mut s.out, &mut s.write_closed).write(pieces);
    }
    ending::begin_close(conn, s, CloseKind::Lingering);
}

/// The host is valid by then: nothing in it can end the field.
fn location(host: &[u8], port: Option<u16>, head: &RequestHead) -> Vec<u8> {
    let name = match host.iter().rposition(|byte| *byte == b':') {
        Some(at) if !host[at..].contains(&b']') => &host[..at],
        _ => host,
    };
    let mut location = [b"https://", name].concat();
    if let Some(port) = port.filter(|port| *port != 443) {
        location.extend_from_slice(format!(":{port}").as_bytes());
    }
    if head.target().starts_with(b"/") {
        location.extend_from_slice(head.target());
        return location;
    }
    // Absolute form, or an asterisk.
    let path = head.target_path();
    location.extend_from_slice(if path.starts_with(b"/") { path } else { b"/" });
    if !head.query().is_empty() {
        location.push(b'?');
        location.extend_from_slice(head.query());
    }
    location
}

/// Tokens are base64url (RFC 8555 §8): nothing in one leads out of the directory.
fn challenge(directory: &Directory, token: &[u8]) -> Option<Vec<u8>> {
    let is_token = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    if token.is_empty() || token.len() > 255 || !token.iter().all(is_token) {
        return None;
    }
    let token = std::str::from_utf8(token).ok()?;
    // The directory of the tokens, or a web root above it.
    let candidates = [token.to_owned(), format!("{WELL_KNOWN}/{token}")];
    candidates.iter().find_map(|name| content(directory, name))
}

/// Of a small regular file; links that lead out of the directory are not followed.
fn content(directory: &Directory, name: &str) -> Option<Vec<u8>> {
    match directory.open(name.as_bytes(), Patience::Blocking) {
        Ok(OpenedEntry::File { file, facts }) if facts.size <= LONGEST_CHALLENGE => {
            beneath::read(&file, facts.size, Patience::Blocking).ok()
        }
        Ok(_) | Err(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_tokens_are_looked_up() {
        let place = tempfile::tempdir().unwrap();
        std::fs::write(place.path().join("a-Token_1"), "a-Token_1.thumbprint").unwrap();
        std::fs::write(place.path().join(".hidden"), "").unwrap();
        let below = place.path().join(WELL_KNOWN);
        std::fs::create_dir_all(&below).unwrap();
        std::fs::write(below.join("other"), "by certbot").unwrap();
        let outside = tempfile::NamedTempFile::new().unwrap();
        std::os::unix::fs::symlink(outside.path(), place.path().join("out")).unwrap();
        std::os::unix::fs::symlink("a-Token_1", place.path().join("inside")).unwrap();
        let large = vec![b'a'; usize::try_from(LONGEST_CHALLENGE).unwrap() + 1];
        std::fs::write(place.path().join("large"), large).unwrap();
        let fifo = nix::sys::stat::Mode::S_IRWXU;
        nix::unistd::mkfifo(&place.path().join("fifo"), fifo).unwrap();
        let directory = Directory::new(place.path());
        let found = |token: &[u8]| challenge(&directory, token);
        assert_eq!(found(b"a-Token_1").unwrap(), b"a-Token_1.thumbprint");
        assert_eq!(found(b"other").unwrap(), b"by certbot");
        assert_eq!(found(b"inside").unwrap(), b"a-Token_1.thumbprint");
        for token in [
            &b""[..],
            b".",
            b"..",
            b".hidden",
            b"a/b",
            b"absent",
            b"%61",
            b"out",
            b"large",
            b"fifo",
        ] {
            assert_eq!(found(token), None, "{token:?}");
        }
    }
}
