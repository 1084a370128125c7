//! Access log lines for programs: a JSON object, or logfmt, with the same names for every request.

use std::borrow::Cow;
use std::io::Write;

use super::custom::Around;
use super::{Details, LoggedRequest, push_number, user};
use crate::observability::json::{push_name, push_string};

/// How a line names its values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RecordShape {
    Json,
    /// Without the values that a request does not have.
    Logfmt,
}

struct RecordLine<'a> {
    line: &'a mut Vec<u8>,
    shape: RecordShape,
}

impl RecordLine<'_> {
    fn name(&mut self, name: &str) {
        match self.shape {
            RecordShape::Json => push_name(self.line, name),
            RecordShape::Logfmt => {
                self.line.push(b' ');
                self.line.extend_from_slice(name.as_bytes());
                self.line.push(b'=');
            }
        }
    }

    fn text(&mut self, name: &str, value: Option<&[u8]>, longest: usize) {
        match (value, self.shape) {
            (Some(value), RecordShape::Logfmt) if value.len() <= longest && is_word(value) => {
                self.name(name);
                self.line.extend_from_slice(value);
            }
            (Some(value), _) => {
                self.name(name);
                push_string(self.line, value, longest);
            }
            (None, RecordShape::Json) => {
                self.name(name);
                self.line.extend_from_slice(b"null");
            }
            (None, RecordShape::Logfmt) => {}
        }
    }
}

/// Whether it needs no quotes.
fn is_word(value: &[u8]) -> bool {
    let is_plain = |byte: &u8| byte.is_ascii_graphic() && !b"\"=\\".contains(byte);
    !value.is_empty() && value.iter().all(is_plain)
}

pub(super) fn push_record(
    line: &mut Vec<u8>,
    request: &LoggedRequest<'_>,
    around: &mut Around<'_>,
    shape: RecordShape,
) {
    let longest = around.longest;
    let (before, after): (&[u8], &[u8]) = match shape {
        RecordShape::Json => (b"{\"time\":\"", b"\""),
        RecordShape::Logfmt => (b"time=", b""),
    };
    line.extend_from_slice(before);
    around.stamp.push_with_millis(line);
    line.extend_from_slice(after);
    let peer = request.peer.map(|peer| peer.to_string());
    let user = request.authorization.and_then(user::basic);
    let some = |value: &'_ [u8]| !value.is_empty();
    let path: Option<Cow<'_, [u8]>> = request.details.map(Details::path);
    let mut record = RecordLine { line, shape };
    record.text("remote_addr", peer.as_deref().map(str::as_bytes), 64);
    record.text("user", user.as_deref(), longest.user);
    record.text(
        "method",
        Some(request.method).filter(|v| some(v)),
        longest.method,
    );
    record.text("path", path.as_deref(), longest.field.saturating_mul(2));
    record.text("query", request.details.map(Details::query), longest.field);
    record.text(
        "protocol",
        Some(request.version.as_bytes()).filter(|v| some(v)),
        longest.method,
    );
    record.name("status");
    push_number(record.line, request.status);
    record.name("bytes");
    push_number(record.line, request.bytes);
    record.name("duration_ms");
    let micros = request.duration.as_micros();
    drop(write!(
        record.line,
        "{}.{:03}",
        micros / 1000,
        micros % 1000
    ));
    record.text("referer", request.referer, longest.field / 2);
    record.text("user_agent", request.user_agent, longest.field / 2);
    for (name, field) in [
        ("request_id", request.id_field),
        ("traceparent", "traceparent"),
    ] {
        if let Some(value) = request
            .details
            .and_then(|details| details.request_field(field))
        {
            record.text(name, Some(value), 160);
        }
    }
    for name in ["tls_version", "tls_cipher"] {
        if let Some(value) = request.details.and_then(|details| details.environ(name)) {
            record.text(name, Some(&value), 64);
        }
    }
    record.name("pid");
    push_number(record.line, around.pid);
    let end: &[u8] = match shape {
        RecordShape::Json => b"}\n",
        RecordShape::Logfmt => b"\n",
    };
    line.extend_from_slice(end);
}
