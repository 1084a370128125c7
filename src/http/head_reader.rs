//! From buffered bytes to an accepted head. It keeps its position between reads and reports refusals; the meaning of the
//! fields is checked in `examine`.
//!
//! Two ways that must agree. When a head is complete in the buffer at the first look, httparse parses it at once.
//! Otherwise lines are found one by one from where the last look ended, so that a head that arrives slowly costs no
//! more than its bytes; limits and line ends are then checked in the order of the bytes, and httparse parses the head when it
//! is complete. Every refusal comes from the second way: it does not depend on how the bytes were split.

use std::mem::MaybeUninit;

use bytes::{Buf, BytesMut};

use super::chars::is_token_byte;
use super::examine::{self, Tokens};
use super::head::{Carrier, FieldSpan, RequestHead, Span, UNKNOWN};
use super::policy::Policy;
use super::refusal::Refusal;

/// More than this is refused whatever the limits say: offsets are 32 bits.
const MAX_HEAD: usize = 16 << 20;

/// Fields that httparse can store on the stack; a policy that allows more costs an allocation.
const STACK_FIELDS: usize = 128;

/// The position inside the head that begins the input.
#[derive(Debug, Default)]
pub(super) struct HeadReader {
    /// The first byte was seen and is not an empty line's.
    begun: bool,
    /// An empty line was skipped (RFC 9112 §2.2 wants one tolerated).
    skipped: bool,
    line_start: usize,
    /// No line feed between `line_start` and here.
    searched: usize,
    /// Complete lines before `line_start`.
    lines: usize,
    /// The vector of a recycled head.
    pub spare: Vec<FieldSpan>,
}

impl HeadReader {
    /// No byte of a head has been taken.
    pub fn is_fresh(&self) -> bool {
        !self.begun && !self.skipped
    }

    /// More than empty lines has come.
    pub fn has_begun(&self) -> bool {
        self.begun
    }

    /// `None`: more bytes are needed. After a refusal the input is meaningless.
    pub fn poll(
        &mut self,
        input: &mut BytesMut,
        policy: &Policy,
        carrier: Carrier,
    ) -> Result<Option<RequestHead>, Refusal> {
        if !self.begun && !self.begin(input)? {
            return Ok(None);
        }
        let mut fields = std::mem::take(&mut self.spare);
        if self.searched == 0
            && let Some(tokens) = tokenise_on_stack(input, &mut fields)
            && within_limits(input, &tokens, &fields, policy)
        {
            return self
                .accept(input, tokens, fields, policy, carrier)
                .map(Some);
        }
        let Some(size) = self.find_end(input, policy)? else {
            self.spare = fields;
            return Ok(None);
        };
        let mut tokens = self.tokenise(&input[..size], &mut fields);
        if tokens.is_none() && lower_minor_version(&mut input[..size])? {
            tokens = self.tokenise(&input[..size], &mut fields);
        }
        // The request line was checked, so it is a field.
        let tokens = tokens.ok_or(Refusal::BadField)?;
        self.accept(input, tokens, fields, policy, carrier)
            .map(Some)
    }

    /// Skips one empty line and checks the first byte: what cannot begin a method is refused without
    /// waiting for a line (a TLS client on a plain port would wait for us).
    fn begin(&mut self, input: &mut BytesMut) -> Result<bool, Refusal> {
        loop {
            match input[..] {
                [] | [b'\r'] => return Ok(false),
                [b'\r', b'\n', ..] if !self.skipped => {
                    self.skipped = true;
                    input.advance(2);
                }
                [b'\n', ..] => return Err(Refusal::BareLineFeed),
                [first, ..] if is_token_byte(first) => {
                    self.begun = true;
                    return Ok(true);
                }
                _ => return Err(Refusal::BadRequestLine),
            }
        }
    }

    fn accept(
        &mut self,
        input: &mut BytesMut,
        tokens: Tokens,
        mut fields: Vec<FieldSpan>,
        policy: &Policy,
        carrier: Carrier,
    ) -> Result<RequestHead, Refusal> {
        let head = &mut input[..tokens.size];
        let facts = examine::examine(head, &tokens, &mut fields, policy, carrier)?;
        *self = HeadReader::default();
        Ok(facts.into_head(input.split_to(tokens.size).freeze(), &tokens, fields))
    }

    /// The size of the head once its empty line has come.
    fn find_end(&mut self, input: &[u8], policy: &Policy) -> Result<Option<usize>, Refusal> {
        loop {
            let found = memchr::memchr(b'\n', &input[self.searched..]);
            let end = found.map_or(input.len(), |offset| self.searched + offset);
            let line = &input[self.line_start..end];
            let content = line.strip_suffix(b"\r").unwrap_or(line);
            // The same checks for a whole line and for the beginning of one, each of which can only turn
            // from no to yes as bytes come.
            if self.lines == 0 && content.len() > policy.limit_request_line {
                return Err(Refusal::RequestLineTooLong);
            }
            if self.lines > policy.limit_request_fields && !content.is_empty() {
                return Err(Refusal::TooManyFields);
            }
            if (self.lines > 0 && content.len() > policy.limit_request_field_size) || end > MAX_HEAD
            {
                return Err(Refusal::FieldTooLarge);
            }
            self.searched = end;
            if found.is_none() {
                return Ok(None);
            }
            if content.len() == line.len() {
                return Err(Refusal::BareLineFeed);
            }
            // Not later: a client of another protocol may send no more than a line, and wait.
            if self.lines == 0 {
                request_line(content)?;
            }
            let empty = content.is_empty();
            self.searched = end + 1;
            self.line_start = end + 1;
            self.lines += 1;
            if empty {
                return Ok(Some(end + 1));
            }
        }
    }

    /// Of a complete head.
    fn tokenise(&self, head: &[u8], fields: &mut Vec<FieldSpan>) -> Option<Tokens> {
        if self.lines <= STACK_FIELDS {
            return tokenise_on_stack(head, fields);
        }
        let mut slots = vec![MaybeUninit::uninit(); self.lines];
        tokenise(head, &mut slots, fields)
    }
}

fn tokenise_on_stack(bytes: &[u8], fields: &mut Vec<FieldSpan>) -> Option<Tokens> {
    tokenise(
        bytes,
        &mut [const { MaybeUninit::uninit() }; STACK_FIELDS],
        fields,
    )
}

/// httparse's reading as offsets; `None` when the head is incomplete or wrong.
fn tokenise<'b>(
    bytes: &'b [u8],
    slots: &mut [MaybeUninit<httparse::Header<'b>>],
    fields: &mut Vec<FieldSpan>,
) -> Option<Tokens> {
    let mut request = httparse::Request::new(&mut []);
    let Ok(httparse::Status::Complete(size)) = request.parse_with_uninit_headers(bytes, slots)
    else {
        return None;
    };
    if size > MAX_HEAD {
        return None;
    }
    let base = bytes.as_ptr() as usize;
    let span = |part: &[u8]| Span {
        start: (part.as_ptr() as usize - base) as u32,
        len: part.len() as u32,
    };
    fields.clear();
    fields.reserve(request.headers.len() + 1);
    for header in request.headers.iter() {
        let name = span(header.name.as_bytes());
        fields.push(FieldSpan {
            name_start: name.start,
            name_len: u16::try_from(name.len).ok()?,
            known: UNKNOWN,
            value: span(header.value),
        });
    }
    Some(Tokens {
        size,
        method_len: u16::try_from(request.method?.len()).ok()?,
        target: span(request.path?.as_bytes()),
        minor_version: request.version?,
    })
}

/// The checks of `find_end`, for a head that is complete already. httparse accepts a bare line feed; a field begins right
/// after the line before it, so the two bytes in front of each field show it.
fn within_limits(input: &[u8], tokens: &Tokens, fields: &[FieldSpan], policy: &Policy) -> bool {
    let head = &input[..tokens.size];
    if !head.ends_with(b"\r\n\r\n") || fields.len() > policy.limit_request_fields {
        return false;
    }
    let end = tokens.size - 2;
    let mut start = 0;
    let mut limit = policy.limit_request_line;
    for next in fields
        .iter()
        .map(|field| field.name_start as usize)
        .chain([end])
    {
        if head[next - 2] != b'\r' || next - 2 - start > limit {
            return false;
        }
        start = next;
        limit = policy.limit_request_field_size;
    }
    true
}

/// The position of a later minor version, which is to be read as 1.1 (RFC 9110 §2.5), in a request line that is good otherwise.
fn request_line(line: &[u8]) -> Result<Option<usize>, Refusal> {
    // Every line was found to end in CRLF; a CR inside it is an error of the version or the target.
    let mut parts = line.split(|&byte| byte == b' ');
    let (Some(method), Some(target), Some(version), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err(Refusal::BadRequestLine);
    };
    if !super::chars::is_token(method) {
        return Err(Refusal::BadMethod);
    }
    // Before the target, as in `find_end`.
    examine::method_of(method)?;
    if target.is_empty() || target.iter().any(|&byte| byte <= b' ' || byte >= 0x7f) {
        return Err(Refusal::BadTarget);
    }
    match version {
        b"HTTP/1.0" | b"HTTP/1.1" => Ok(None),
        [b'H', b'T', b'T', b'P', b'/', b'1', b'.', b'2'..=b'9'] => Ok(Some(line.len() - 1)),
        [b'H', b'T', b'T', b'P', b'/', b'0'..=b'9', b'.', b'0'..=b'9'] => {
            Err(Refusal::UnsupportedVersion)
        }
        _ => Err(Refusal::BadRequestLine),
    }
}

/// Whether httparse rejected the head only because of a later 1.x; it is then written as 1.1.
fn lower_minor_version(head: &mut [u8]) -> Result<bool, Refusal> {
    let end = memchr::memchr(b'\n', head).ok_or(Refusal::BadRequestLine)?;
    let minor = request_line(&head[..end - 1])?;
    if let Some(minor) = minor {
        head[minor] = b'1';
    }
    Ok(minor.is_some())
}
