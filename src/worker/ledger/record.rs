//! The data of a request for the access log.

use std::borrow::Cow;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use super::{Ledger, Outcome};
use crate::config::{AccessFormat, Atom, FormatPiece, Settings};
use crate::http::{Field, KnownName, RequestHead, decode_path};
use crate::observability::access::{Details, LoggedRequest};
use crate::worker::tls::TlsFacts;

/// What has to be kept of a request for the format, beyond its head.
#[derive(Debug, Default)]
pub struct WantedFields {
    /// The fields of the response.
    pub response: bool,
    /// Names in the environ, lower-cased.
    pub environ: Vec<String>,
}

impl WantedFields {
    pub fn of(settings: &Settings) -> WantedFields {
        let logging = &settings.logging;
        let hooks = settings.hooks.as_ref();
        let may_change = hooks.is_some_and(|hooks| hooks.has("pre_request"));
        let mut wanted = WantedFields::default();
        let (AccessFormat::Custom(pieces) | AccessFormat::JsonShaped(pieces)) =
            &logging.access.format
        else {
            return wanted;
        };
        for piece in pieces {
            match piece {
                FormatPiece::Atom(Atom::ResponseField(_), _) => wanted.response = true,
                FormatPiece::Atom(Atom::Environ(name), _) => wanted.environ.push(name.clone()),
                FormatPiece::Atom(Atom::RequestField(name), _) if may_change => {
                    wanted.environ.push(changed(name));
                }
                FormatPiece::Atom(..) | FormatPiece::Text(_) => {}
            }
        }
        wanted
    }
}

/// The environ key of a request field that a hook has changed (`requests.py`).
fn changed(field: &str) -> String {
    format!("rgun.field.{}", field.to_ascii_lowercase())
}

/// Data captured during the request.
#[derive(Debug, Default)]
pub struct CapturedFields {
    /// The serialised head of the response, without the framing fields.
    pub response: Vec<u8>,
    pub environ: Vec<(String, Vec<u8>)>,
}

impl CapturedFields {
    fn field(&self, name: &str) -> Option<&[u8]> {
        let named = self
            .fields()
            .filter(|(own, _)| own.eq_ignore_ascii_case(name.as_bytes()));
        named.last().map(|(_, value)| value)
    }

    fn fields(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        let lines = self.response.split(|byte| *byte == b'\n').skip(1);
        lines.filter_map(|line| {
            let (name, value) = line.split_at_checked(line.iter().position(|b| *b == b':')?)?;
            Some((name, value.get(1..).unwrap_or_default().trim_ascii()))
        })
    }
}

/// Data of a request for its log line.
pub struct Kept {
    head: RequestHead,
    captured: Option<Box<CapturedFields>>,
    pub tls: Option<Arc<TlsFacts>>,
}

impl Kept {
    pub fn of(head: &RequestHead) -> Self {
        Self {
            head: head.clone(),
            captured: None,
            tls: None,
        }
    }

    /// Releases spare memory: it may be kept for long.
    pub fn compact(&mut self) {
        self.head.compact();
    }

    pub fn captured(&mut self) -> &mut CapturedFields {
        self.captured.get_or_insert_default()
    }
}

struct RequestFacts<'a> {
    head: &'a RequestHead,
    captured: Option<&'a CapturedFields>,
    peer: Option<IpAddr>,
    tls: Option<&'a TlsFacts>,
}

impl Details for RequestFacts<'_> {
    fn path(&self) -> Cow<'_, [u8]> {
        decode_path(self.head.target_path())
    }

    fn query(&self) -> &[u8] {
        self.head.query()
    }

    /// The last one of that name, as with gunicorn; the changed value where a hook has changed it.
    fn request_field(&self, name: &str) -> Option<&[u8]> {
        let left = self.captured.iter().flat_map(|captured| &captured.environ);
        let left = left.rev().find(|(own, _)| *own == changed(name));
        if let Some((_, value)) = left {
            return Some(value);
        }
        let is_named = |field: &Field<'_>| field.name == name.as_bytes();
        let found = self.head.headers().filter(is_named).last();
        found.map(|field| field.value)
    }

    fn response_field(&self, name: &str) -> Option<&[u8]> {
        self.captured?.field(name)
    }

    /// The app's environ where there is one, else its initial values.
    fn environ(&self, name: &str) -> Option<Cow<'_, [u8]>> {
        if let Some(value) = self.tls(name) {
            return Some(value.as_bytes().into());
        }
        if let Some(captured) = self
            .captured
            .filter(|captured| !captured.environ.is_empty())
        {
            let found = captured.environ.iter().find(|(own, _)| own == name);
            return found.map(|(_, value)| value.into());
        }
        Some(match name {
            "request_method" => self.head.method().as_bytes().into(),
            "raw_uri" | "request_uri" => self.head.target().into(),
            "path_info" => self.path(),
            "query_string" => self.query().into(),
            "server_protocol" => protocol(self.head).as_bytes().into(),
            "remote_addr" => self.peer?.to_string().into_bytes().into(),
            "content_type" => self.request_field("content-type")?.into(),
            "content_length" => self.request_field("content-length")?.into(),
            _ => {
                let field = name.strip_prefix("http_")?.replace('_', "-");
                self.request_field(&field)?.into()
            }
        })
    }

    fn request_fields(&self, each: &mut dyn FnMut(&str, &[u8])) {
        for field in self.head.headers() {
            each(&lower_case(field.name), field.value);
        }
    }

    fn response_fields(&self, each: &mut dyn FnMut(&str, &[u8])) {
        for (name, value) in self.captured.iter().flat_map(|captured| captured.fields()) {
            each(&lower_case(name), value);
        }
    }

    fn environ_all(&self, each: &mut dyn FnMut(&str, &[u8])) {
        if let Some(captured) = self
            .captured
            .filter(|captured| !captured.environ.is_empty())
        {
            captured
                .environ
                .iter()
                .for_each(|(name, value)| each(name, value));
            return;
        }
        for name in ENVIRON {
            if let Some(value) = self.environ(name) {
                each(name, &value);
            }
        }
        self.request_fields(&mut |name, value| {
            each(&format!("http_{}", name.replace('-', "_")), value)
        });
    }
}

/// Initial keys of an environ, beside the fields of the request.
const ENVIRON: [&str; 9] = [
    "request_method",
    "raw_uri",
    "request_uri",
    "path_info",
    "query_string",
    "server_protocol",
    "remote_addr",
    "content_type",
    "content_length",
];

fn lower_case(name: &[u8]) -> String {
    String::from_utf8_lossy(name).to_ascii_lowercase()
}

impl<'a> RequestFacts<'a> {
    /// These names exist only in the log, not in an environ.
    fn tls(&self, name: &str) -> Option<&'a str> {
        let tls = self.tls?;
        match name {
            "tls_version" => Some(tls.protocol()),
            "tls_cipher" => Some(tls.cipher()),
            "tls_server_name" => tls.server_name.as_deref(),
            "tls_resumed" => Some(if tls.is_resumed { "yes" } else { "no" }),
            _ => None,
        }
    }
}

fn protocol(head: &RequestHead) -> &'static str {
    head.version().protocol()
}

impl Ledger {
    /// Whether the request gets a log line.
    pub(super) fn logs(&self, head: &RequestHead) -> bool {
        self.access.is_some()
            && !self
                .settings
                .logging
                .access
                .exclude
                .iter()
                .any(|pattern| pattern.matches(head.target_path()))
    }

    /// Writes its line. Nothing was kept if the head was invalid.
    pub(super) fn record(&self, kept: Option<&Kept>, outcome: Outcome, duration: Duration) {
        let Some(access) = &self.access else {
            return;
        };
        let peer = outcome.peer;
        let head = kept.map(|kept| &kept.head);
        let facts = kept.map(|kept| RequestFacts {
            head: &kept.head,
            captured: kept.captured.as_deref(),
            peer,
            tls: kept.tls.as_deref(),
        });
        let header = |name| head.and_then(|head| head.header(name));
        access.lock().record(&LoggedRequest {
            peer,
            method: head.map_or(b"", |head| head.method().as_bytes()),
            target: head.map_or(b"", |head| head.target()),
            version: head.map_or("", protocol),
            status: outcome.status,
            bytes: outcome.bytes,
            referer: header(KnownName::Referer),
            user_agent: header(KnownName::UserAgent),
            authorization: header(KnownName::Authorization),
            duration,
            id_field: self.id_field(),
            details: facts.as_ref().map(|facts| facts as &dyn Details),
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_of_the_response_by_any_case_the_last_one_counts() {
        let captured = CapturedFields {
            response: b"HTTP/1.1 200 OK\r\nX-A:  one\r\nx-b: a:b\r\nx-a: two\r\n".to_vec(),
            environ: Vec::new(),
        };
        assert_eq!(captured.field("x-a"), Some(&b"two"[..]));
        assert_eq!(captured.field("x-b"), Some(&b"a:b"[..]));
        assert_eq!(captured.field("http/1.1 200 ok"), None);
    }
}
