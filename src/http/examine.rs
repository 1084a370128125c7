//! The one policy function: the checks that every request has to pass before it may reach the app, whatever carried its
//! bytes. Line ends and sizes are checked in `head_reader.rs`.

use bytes::Bytes;

use super::authority::is_host;
use super::chars::{decimal, list};
use super::head::{
    BodyFraming, BodyPresence, Carrier, FieldSpan, Method, RequestHead, Span, Upgrade, Version,
};
use super::names::KnownName;
use super::policy::{Policy, UnderscorePolicy};
use super::refusal::Refusal;
use super::target::{self, RequestTarget};

/// A head as offsets of its tokens, before their meaning is checked.
#[derive(Debug, Clone, Copy)]
pub(super) struct Tokens {
    pub size: usize,
    pub method_len: u16,
    pub target: Span,
    pub minor_version: u8,
}

/// The result of the checks.
#[derive(Debug)]
pub(super) struct ExaminedRequest {
    method: Method,
    version: Version,
    target: RequestTarget,
    body: BodyFraming,
    expect_continue: bool,
    keep_alive: bool,
    te_trailers: bool,
    upgrade: Upgrade,
}

impl ExaminedRequest {
    pub fn into_head(self, bytes: Bytes, tokens: &Tokens, fields: Vec<FieldSpan>) -> RequestHead {
        RequestHead {
            bytes,
            fields,
            method_len: tokens.method_len,
            method: self.method,
            version: self.version,
            target: tokens.target,
            path: self.target.path,
            query: self.target.query,
            body: self.body,
            expect_continue: self.expect_continue,
            keep_alive: self.keep_alive,
            te_trailers: self.te_trailers,
            upgrade: self.upgrade,
        }
    }
}

/// The fields that matter here, gathered in one pass.
#[derive(Debug, Default)]
struct Gathered {
    /// Index of the Host field.
    host: Option<usize>,
    length: Option<(Span, u64)>,
    encodings: usize,
    /// Of the last Transfer-Encoding field.
    encoding: Span,
    close: bool,
    keep_alive: bool,
    connection_upgrade: bool,
    websocket: bool,
    expectations: Expectations,
    te_trailers: bool,
}

#[derive(Debug, Default, PartialEq, Eq)]
enum Expectations {
    #[default]
    None,
    Continue,
    Unknown,
}

/// Lower-cases the names in `head`, numbers the known ones, removes fields that the app must not see, and returns what
/// the request is, or why it is refused.
pub(super) fn examine(
    head: &mut [u8],
    tokens: &Tokens,
    fields: &mut Vec<FieldSpan>,
    policy: &Policy,
    carrier: Carrier,
) -> Result<ExaminedRequest, Refusal> {
    let method = &head[..usize::from(tokens.method_len)];
    let known_method = method_of(method)?;
    let target = target::parse(method, head, tokens.target)?;
    let version = match (carrier, tokens.minor_version) {
        (Carrier::Stream(_), _) => Version::Http2,
        (Carrier::Connection, 0) => Version::Http10,
        (Carrier::Connection, _) => Version::Http11,
    };

    let gathered = gather(head, fields, policy)?;
    match gathered.host {
        None if version != Version::Http10 => return Err(Refusal::HostMissing),
        Some(index) if !is_host(fields[index].value.of(head)) => return Err(Refusal::HostInvalid),
        _ => {}
    }
    if let Some(authority) = target.authority {
        host_from_target(fields, gathered.host, authority);
    }
    let mut body = framing(head, &gathered, version)?;
    if let Carrier::Stream(content) = carrier {
        body = framing_of_stream(body, content)?;
    }
    if let (BodyFraming::Length(length), Some(limit)) = (body, policy.limit_request_body)
        && length > limit
    {
        return Err(Refusal::BodyTooLarge);
    }
    // A 1.0 client cannot expect anything (RFC 9110 §10.1.1).
    if version != Version::Http10 && gathered.expectations == Expectations::Unknown {
        return Err(Refusal::UnknownExpectation);
    }
    let websocket = gathered.websocket
        && gathered.connection_upgrade
        && version != Version::Http10
        && known_method == Method::Get
        && body == BodyFraming::None;
    Ok(ExaminedRequest {
        method: known_method,
        version,
        target,
        body,
        expect_continue: gathered.expectations == Expectations::Continue
            && version != Version::Http10
            && body != BodyFraming::None,
        // A stream carries one request.
        keep_alive: version != Version::Http2
            && !gathered.close
            && (version == Version::Http11 || gathered.keep_alive),
        te_trailers: gathered.te_trailers && version != Version::Http10,
        upgrade: if websocket {
            Upgrade::WebSocket
        } else {
            Upgrade::None
        },
    })
}

/// The longest registered method has 17 bytes.
const LONGEST_METHOD: usize = 32;

/// Methods are case-sensitive tokens; one with lower-case letters is a mistake or an attempt to be read
/// differently by a proxy, and ASGI wants upper case.
pub(super) fn method_of(method: &[u8]) -> Result<Method, Refusal> {
    Ok(match method {
        b"GET" => Method::Get,
        b"HEAD" => Method::Head,
        b"POST" => Method::Post,
        b"PUT" => Method::Put,
        b"DELETE" => Method::Delete,
        b"OPTIONS" => Method::Options,
        b"PATCH" => Method::Patch,
        b"TRACE" => Method::Trace,
        _ if method.len() > LONGEST_METHOD => return Err(Refusal::MethodTooLong),
        _ if method.iter().any(u8::is_ascii_lowercase) => return Err(Refusal::BadMethod),
        _ => Method::Other,
    })
}

fn gather(
    head: &mut [u8],
    fields: &mut Vec<FieldSpan>,
    policy: &Policy,
) -> Result<Gathered, Refusal> {
    let mut gathered = Gathered::default();
    let mut kept = 0;
    for index in 0..fields.len() {
        let mut field = fields[index];
        let name = &mut head[field.name_start as usize..][..usize::from(field.name_len)];
        name.make_ascii_lowercase();
        let Some(known) = KnownName::of(name) else {
            let aliased = policy.header_map != UnderscorePolicy::Dangerous
                && name.contains(&b'_')
                && !policy.exempt_names.iter().any(|exempt| **exempt == *name);
            if aliased && policy.header_map == UnderscorePolicy::Refuse {
                return Err(Refusal::UnderscoreInName);
            }
            if !aliased {
                fields[kept] = field;
                kept += 1;
            }
            continue;
        };
        field.known = known as u8;
        if gathered.note(known, field.value, kept, head)? {
            fields[kept] = field;
            kept += 1;
        }
    }
    fields.truncate(kept);
    Ok(gathered)
}

impl Gathered {
    /// False: the field repeats an earlier one and is not kept.
    fn note(
        &mut self,
        name: KnownName,
        span: Span,
        index: usize,
        head: &[u8],
    ) -> Result<bool, Refusal> {
        let value = span.of(head);
        match name {
            KnownName::Host => {
                let first = self.host.replace(index);
                return if first.is_none() {
                    Ok(true)
                } else {
                    Err(Refusal::HostRepeated)
                };
            }
            KnownName::ContentLength => {
                if let Some((first, _)) = self.length {
                    // RFC 9110 §8.6: equal ones may be treated as one.
                    return if first.of(head) == value {
                        Ok(false)
                    } else {
                        Err(Refusal::BadContentLength)
                    };
                }
                self.length = Some((span, decimal(value).ok_or(Refusal::BadContentLength)?));
            }
            KnownName::TransferEncoding => {
                self.encodings += 1;
                self.encoding = span;
            }
            KnownName::Connection => {
                for token in list(value) {
                    self.close |= token.eq_ignore_ascii_case(b"close");
                    self.keep_alive |= token.eq_ignore_ascii_case(b"keep-alive");
                    self.connection_upgrade |= token.eq_ignore_ascii_case(b"upgrade");
                }
            }
            KnownName::Upgrade => {
                self.websocket |= list(value).any(|token| token.eq_ignore_ascii_case(b"websocket"));
            }
            KnownName::Expect => {
                let wanted = value.eq_ignore_ascii_case(b"100-continue");
                if !wanted {
                    self.expectations = Expectations::Unknown;
                } else if self.expectations == Expectations::None {
                    self.expectations = Expectations::Continue;
                }
            }
            KnownName::Te => {
                self.te_trailers |=
                    list(value).any(|token| token.eq_ignore_ascii_case(b"trailers"));
            }
            _ => {}
        }
        Ok(true)
    }
}

/// RFC 9112 §6: what could be read in two ways is refused.
fn framing(head: &[u8], gathered: &Gathered, version: Version) -> Result<BodyFraming, Refusal> {
    if gathered.encodings > 0 {
        if gathered.length.is_some() {
            return Err(Refusal::LengthAndEncoding);
        }
        if version == Version::Http10 {
            return Err(Refusal::EncodingInHttp10);
        }
        let encoding = gathered.encoding.of(head);
        if gathered.encodings == 1 && encoding.eq_ignore_ascii_case(b"chunked") {
            return Ok(BodyFraming::Chunked);
        }
        return Err(wrong_encoding(gathered.encodings, encoding));
    }
    Ok(match gathered.length {
        None | Some((_, 0)) => BodyFraming::None,
        Some((_, length)) => BodyFraming::Length(length),
    })
}

/// RFC 9113 §8.1: the stream ends the body. A length may be declared, and the stream is checked against it where it is read.
fn framing_of_stream(declared: BodyFraming, content: BodyPresence) -> Result<BodyFraming, Refusal> {
    match (declared, content) {
        // §8.2.2: a field of the connection.
        (BodyFraming::Chunked, _) => Err(Refusal::BadTransferEncoding),
        (BodyFraming::Length(_), BodyPresence::None) => Err(Refusal::BadContentLength),
        (BodyFraming::Length(length), BodyPresence::Follows) => Ok(BodyFraming::Length(length)),
        (_, BodyPresence::None) => Ok(BodyFraming::None),
        (_, BodyPresence::Follows) => Ok(BodyFraming::Stream),
    }
}

/// 501 for a coding before a single final `chunked`: well-formed, only not supported here. All else is wrong.
fn wrong_encoding(fields: usize, encoding: &[u8]) -> Refusal {
    let mut codings = list(encoding);
    let is_chunked = |coding: &[u8]| coding.eq_ignore_ascii_case(b"chunked");
    let final_chunked = fields == 1
        && list(encoding).last().is_some_and(is_chunked)
        && list(encoding).filter(|coding| is_chunked(coding)).count() == 1
        && codings.all(super::chars::is_token);
    if final_chunked {
        Refusal::UnknownTransferCoding
    } else {
        Refusal::BadTransferEncoding
    }
}

/// RFC 9112 §3.2.2: the received Host is ignored in favour of the target's authority.
fn host_from_target(fields: &mut Vec<FieldSpan>, host: Option<usize>, authority: Span) {
    match host {
        Some(index) => fields[index].value = authority,
        None => {
            let field = FieldSpan {
                name_start: 0,
                name_len: 0,
                known: KnownName::Host as u8,
                value: authority,
            };
            fields.insert(0, field);
        }
    }
}
