//! Responses to plain HTTP beside TLS: a redirect, and the tokens of an ACME client.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::Conn;
use super::output::ConnectionOutput;
use super::state::{CloseKind, ConnectionState};
use crate::config::RedirectPort;
use crate::http::{BodyEnd, KnownName, Refusal, RequestHead};
use crate::proxy::{ForwardedRequest, Scheme};

/// RFC 8555 §8.3.
const CHALLENGES: &[u8] = b"/.well-known/acme-challenge/";
const WELL_KNOWN: &str = ".well-known/acme-challenge";
/// A token and the thumbprint of a key are much shorter.
const LONGEST_CHALLENGE: u64 = 16 * 1024;

impl Conn {
    /// True: the request was answered.
    pub(super) fn answer_plain(
        self: &Arc<Self>,
        s: &mut ConnectionState,
        head: &RequestHead,
        forwarded: Option<&ForwardedRequest>,
    ) -> bool {
        let settings = &self.net.settings.plain_http;
        if settings.redirect.is_none() && settings.challenges.is_none() {
            return false;
        }
        let is_secure = forwarded.and_then(|forwarded| forwarded.scheme) == Some(Scheme::Https);
        if is_secure || self.peer.is_none() || self.net.tls.at(self.listener).is_some() {
            return false;
        }
        if let Some(directory) = &settings.challenges
            && let Some(token) = head.target_path().strip_prefix(CHALLENGES)
        {
            match challenge(directory, token) {
                Some(content) => self.answer(s, 200, &[(b"content-type", b"text/plain")], &content),
                None => self.answer(
                    s,
                    404,
                    &[(b"content-type", b"text/plain")],
                    b"no such token\n",
                ),
            }
            return true;
        }
        let port = match settings.redirect {
            None => return false,
            Some(RedirectPort::Given(port)) => Some(port),
            Some(RedirectPort::OfListener) => self.net.tls.port(),
        };
        match head.header(KnownName::Host).filter(|host| !host.is_empty()) {
            Some(host) => {
                let location = location(host, port, head);
                self.answer(s, 308, &[(b"location", &location)], b"");
            }
            None => self.refuse(s, Refusal::HostMissing),
        }
        true
    }

    /// The last response of this connection: the client continues elsewhere.
    fn answer(
        self: &Arc<Self>,
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
            let date = self.net.clock.date();
            s.http.start_response(status, None, headers, &date.1)
        };
        if started.is_ok()
            && let Ok(sent) = s.http.body(body, BodyEnd::Last)
        {
            let pieces = [sent.head, sent.data, sent.tail];
            ConnectionOutput::of(&mut s.transport, &mut s.out, &mut s.write_closed).write(pieces);
        }
        self.begin_close(s, CloseKind::Lingering);
    }
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
fn challenge(directory: &Path, token: &[u8]) -> Option<Vec<u8>> {
    let is_token = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    if token.is_empty() || token.len() > 255 || !token.iter().all(is_token) {
        return None;
    }
    let token = std::str::from_utf8(token).ok()?;
    // The directory of the tokens, or a web root above it.
    let below = Path::new(WELL_KNOWN).join(token);
    let candidates = [directory.join(token), directory.join(below)];
    // Opening a FIFO would wait for a writer.
    let is_file = |path: &PathBuf| path.metadata().is_ok_and(|found| found.is_file());
    let path = candidates.into_iter().find(is_file)?;
    let mut content = Vec::new();
    let file = File::open(path).ok()?;
    file.take(LONGEST_CHALLENGE)
        .read_to_end(&mut content)
        .ok()?;
    Some(content)
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
        let found = |token: &[u8]| challenge(place.path(), token);
        assert_eq!(found(b"a-Token_1").unwrap(), b"a-Token_1.thumbprint");
        assert_eq!(found(b"other").unwrap(), b"by certbot");
        for token in [&b""[..], b".", b"..", b".hidden", b"a/b", b"absent", b"%61"] {
            assert_eq!(found(token), None, "{token:?}");
        }
    }
}
