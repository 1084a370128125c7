//! The head of an accepted request: one buffer and offsets into it.

use std::borrow::Cow;

use bytes::Bytes;
use memchr::memmem;

use super::names::KnownName;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    Http10,
    /// Also any later minor version (RFC 9110 §2.5).
    Http11,
    Http2,
}

impl Version {
    /// As ASGI has it: `1.0`, `1.1`, `2`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Version::Http10 => "1.0",
            Version::Http11 => "1.1",
            Version::Http2 => "2",
        }
    }

    /// As logs and SERVER_PROTOCOL have it.
    pub const fn protocol(self) -> &'static str {
        match self {
            Version::Http10 => "HTTP/1.0",
            Version::Http11 => "HTTP/1.1",
            Version::Http2 => "HTTP/2.0",
        }
    }
}

/// The methods for which a caller may keep ready-made objects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    Get,
    Head,
    Post,
    Put,
    Delete,
    Options,
    Patch,
    Trace,
    /// Any other token without lower-case letters.
    Other,
}

/// The protocol that the client wants to switch to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Upgrade {
    None,
    /// `Upgrade: websocket` and `Connection: upgrade` on a GET without a body; RFC 8441 in HTTP/2.
    WebSocket,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BodyFraming {
    None,
    /// Above zero.
    Length(u64),
    Chunked,
    /// Until the client ends the stream that carries the request.
    Stream,
}

/// What carries a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Carrier {
    /// Of HTTP/1, where fields define the length of a request.
    Connection,
    /// Of HTTP/2, whose end is the end of the request.
    Stream(BodyPresence),
}

/// Whether a stream continues after the head.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BodyPresence {
    None,
    Follows,
}

/// Offsets into the head.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Span {
    pub start: u32,
    pub len: u32,
}

impl Span {
    pub fn of(self, bytes: &[u8]) -> &[u8] {
        &bytes[self.start as usize..][..self.len as usize]
    }
}

/// No known name has this index.
pub(super) const UNKNOWN: u8 = u8::MAX;

#[derive(Debug, Clone, Copy)]
pub(super) struct FieldSpan {
    pub name_start: u32,
    pub name_len: u16,
    /// Index of a known name: the name is then not read from the buffer (an absolute-form target can
    /// add a Host that the client did not send).
    pub known: u8,
    pub value: Span,
}

/// One header field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Field<'a> {
    /// Lower-cased.
    pub name: &'a [u8],
    /// Without surrounding whitespace; any bytes but controls (a tab is allowed).
    pub value: &'a [u8],
    pub known: Option<KnownName>,
}

/// An accepted head. Cheap to move: one buffer, one vector of offsets.
#[derive(Debug, Clone)]
pub struct RequestHead {
    pub(super) bytes: Bytes,
    pub(super) fields: Vec<FieldSpan>,
    pub(super) method_len: u16,
    pub(super) method: Method,
    pub(super) version: Version,
    pub(super) target: Span,
    pub(super) path: Span,
    pub(super) query: Span,
    pub(super) body: BodyFraming,
    pub(super) expect_continue: bool,
    pub(super) keep_alive: bool,
    pub(super) te_trailers: bool,
    pub(super) upgrade: Upgrade,
}

impl RequestHead {
    /// A token without lower-case letters.
    pub fn method(&self) -> &str {
        match self.method {
            Method::Get => "GET",
            Method::Head => "HEAD",
            Method::Post => "POST",
            Method::Put => "PUT",
            Method::Delete => "DELETE",
            Method::Options => "OPTIONS",
            Method::Patch => "PATCH",
            Method::Trace => "TRACE",
            Method::Other => std::str::from_utf8(&self.bytes[..usize::from(self.method_len)])
                .expect("a method is an ASCII token"),
        }
    }

    pub fn known_method(&self) -> Method {
        self.method
    }

    /// The request target as received, for logs.
    pub fn target(&self) -> &[u8] {
        self.target.of(&self.bytes)
    }

    /// The path as received, neither decoded nor normalised, without the query; `*` for `OPTIONS *`.
    /// Of an absolute-form target, only its path.
    pub fn target_path(&self) -> &[u8] {
        if self.path.len == 0 {
            b"/"
        } else {
            self.path.of(&self.bytes)
        }
    }

    /// What follows the first `?`, undecoded; empty when there is none.
    pub fn query(&self) -> &[u8] {
        self.query.of(&self.bytes)
    }

    pub fn version(&self) -> Version {
        self.version
    }

    /// In the order of arrival, duplicates kept. Of an absolute-form target the authority stands in Host's
    /// place (RFC 9112 §3.2.2); repeated equal Content-Length fields are one.
    pub fn headers(&self) -> impl ExactSizeIterator<Item = Field<'_>> + Clone {
        self.fields.iter().map(|field| {
            let known = KnownName::from_index(field.known);
            let name = match known {
                Some(known) => known.as_str().as_bytes(),
                None => &self.bytes[field.name_start as usize..][..usize::from(field.name_len)],
            };
            Field {
                name,
                value: field.value.of(&self.bytes),
                known,
            }
        })
    }

    /// The first field of that name.
    pub fn header(&self, name: KnownName) -> Option<&[u8]> {
        let field = self.fields.iter().find(|field| field.known == name as u8)?;
        Some(field.value.of(&self.bytes))
    }

    /// The values of all fields of that name.
    pub fn values(&self, name: KnownName) -> impl Iterator<Item = &[u8]> {
        let fields = self.fields.iter();
        fields
            .filter(move |field| field.known == name as u8)
            .map(|field| field.value.of(&self.bytes))
    }

    /// All fields of that name as one list (RFC 9110 §5.3).
    pub fn list(&self, name: KnownName) -> Option<Cow<'_, [u8]>> {
        let mut values = self.values(name);
        let mut list = Cow::Borrowed(values.next()?);
        for more in values {
            let list = list.to_mut();
            list.extend_from_slice(b", ");
            list.extend_from_slice(more);
        }
        Some(list)
    }

    /// A GET or HEAD with a condition or a range (RFC 9110 §13 and §14).
    pub fn is_selective(&self) -> bool {
        matches!(self.method, Method::Get | Method::Head)
            && self.headers().any(|field| {
                matches!(
                    field.known,
                    Some(
                        KnownName::Range
                            | KnownName::IfMatch
                            | KnownName::IfNoneMatch
                            | KnownName::IfModifiedSince
                            | KnownName::IfUnmodifiedSince
                    )
                )
            })
    }

    /// As if the client had sent this field, and no other of that name. `name` is lower-cased; both are valid.
    pub fn set_field(&mut self, name: &str, value: &[u8]) {
        let known = KnownName::of(name.as_bytes()).map_or(UNKNOWN, |known| known as u8);
        let bytes = &self.bytes;
        self.fields.retain(|field| {
            let own = &bytes[field.name_start as usize..][..usize::from(field.name_len)];
            field.known != known || (known == UNKNOWN && own != name.as_bytes())
        });
        let mut longer = Vec::with_capacity(bytes.len() + name.len() + value.len());
        longer.extend_from_slice(bytes);
        let name_start = longer.len();
        if known == UNKNOWN {
            longer.extend_from_slice(name.as_bytes());
        }
        let value_start = longer.len();
        longer.extend_from_slice(value);
        let offset = |at: usize| u32::try_from(at).expect("a head is shorter than 4 GiB");
        self.fields.push(FieldSpan {
            name_start: offset(name_start),
            name_len: if known == UNKNOWN {
                u16::try_from(name.len()).expect("a name of ours is short")
            } else {
                0
            },
            known,
            value: Span {
                start: offset(value_start),
                len: offset(value.len()),
            },
        });
        self.bytes = longer.into();
    }

    /// The first field of that name, which is lower-cased.
    pub fn field(&self, name: &str) -> Option<&[u8]> {
        match KnownName::of(name.as_bytes()) {
            Some(known) => self.header(known),
            None => self
                .headers()
                .find(|field| field.name == name.as_bytes())
                .map(|field| field.value),
        }
    }

    /// Copies the head, so that the buffer that it was read into is free.
    pub fn compact(&mut self) {
        self.bytes = Bytes::copy_from_slice(&self.bytes);
        self.fields.shrink_to_fit();
    }

    /// As it was received, its final empty line included, without fields that were set here. Names may be lower-cased.
    pub fn received(&self) -> &[u8] {
        let end = memmem::find(&self.bytes, b"\r\n\r\n");
        &self.bytes[..end.map_or(self.bytes.len(), |end| end + 4)]
    }

    /// All the bytes that the head took, its final empty line included.
    pub fn size(&self) -> usize {
        self.bytes.len()
    }

    pub fn body_framing(&self) -> BodyFraming {
        self.body
    }

    pub fn has_body(&self) -> bool {
        self.body != BodyFraming::None
    }

    /// As declared; `None` also for chunked bodies. A declared zero is `Some(0)` in `headers()` only.
    pub fn content_length(&self) -> Option<u64> {
        match self.body {
            BodyFraming::Length(length) => Some(length),
            BodyFraming::None | BodyFraming::Chunked | BodyFraming::Stream => None,
        }
    }

    /// There is a body, and the head does not declare its length.
    pub fn has_open_length(&self) -> bool {
        matches!(self.body, BodyFraming::Chunked | BodyFraming::Stream)
    }

    /// The client waits for `100 Continue` before it sends the body.
    pub fn expect_continue(&self) -> bool {
        self.expect_continue
    }

    /// What the client requested; the response may still close.
    pub fn keep_alive(&self) -> bool {
        self.keep_alive
    }

    /// The client takes trailers (`TE: trailers`).
    pub fn te_trailers(&self) -> bool {
        self.te_trailers
    }

    pub fn upgrade(&self) -> Upgrade {
        self.upgrade
    }
}
