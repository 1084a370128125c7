//! From buffered bytes to the pieces of a request body (RFC 9112 §6, §7). What is not requested stays in the input
//! buffer.

use bytes::{Buf, Bytes, BytesMut};

use super::chars::{is_field_text, is_token, is_token_byte};
use super::head::BodyFraming;
use super::path::hex_digit;
use super::policy::Policy;
use super::refusal::Refusal;

/// A chunk-size line with its extensions, without its CRLF.
const CHUNK_LINE: usize = 1024;

/// All extensions of one body: they are discarded, so they cost us and have no use.
const EXTENSIONS: usize = 16 * 1024;

/// Digits of a chunk size, leading zeros included.
const SIZE_DIGITS: usize = 16;

/// The next thing in the input.
#[derive(Debug)]
pub(super) enum BodyPiece {
    NeedInput,
    Data(Bytes),
    End,
}

/// Reads one body.
#[derive(Debug)]
pub(super) enum BodyReader {
    Length {
        remaining: u64,
    },
    Chunked(Chunked),
    /// The end of the input is the end of the body.
    Stream {
        total: u64,
    },
}

impl BodyReader {
    /// `None` for a request without a body.
    pub fn of(framing: BodyFraming) -> Option<BodyReader> {
        match framing {
            BodyFraming::None => None,
            BodyFraming::Length(remaining) => Some(BodyReader::Length { remaining }),
            BodyFraming::Chunked => Some(BodyReader::Chunked(Chunked::default())),
            BodyFraming::Stream => Some(BodyReader::Stream { total: 0 }),
        }
    }

    /// A lower bound of the bytes still to come.
    pub fn at_least(&self) -> u64 {
        match self {
            BodyReader::Length { remaining } => *remaining,
            BodyReader::Chunked(chunked) => chunked.remaining,
            BodyReader::Stream { .. } => 0,
        }
    }

    pub fn poll(&mut self, input: &mut BytesMut, policy: &Policy) -> Result<BodyPiece, Refusal> {
        match self {
            BodyReader::Length { remaining: 0 } => Ok(BodyPiece::End),
            BodyReader::Length { remaining } => Ok(take(input, remaining)),
            BodyReader::Chunked(chunked) => chunked.poll(input, policy),
            BodyReader::Stream { total } => take_all(input, total, policy),
        }
    }
}

fn take(input: &mut BytesMut, remaining: &mut u64) -> BodyPiece {
    if input.is_empty() {
        return BodyPiece::NeedInput;
    }
    let len = usize::try_from(*remaining)
        .unwrap_or(usize::MAX)
        .min(input.len());
    *remaining -= len as u64;
    BodyPiece::Data(input.split_to(len).freeze())
}

fn take_all(input: &mut BytesMut, total: &mut u64, policy: &Policy) -> Result<BodyPiece, Refusal> {
    if input.is_empty() {
        return Ok(BodyPiece::NeedInput);
    }
    *total = total.saturating_add(input.len() as u64);
    if policy
        .limit_request_body
        .is_some_and(|limit| *total > limit)
    {
        return Err(Refusal::BodyTooLarge);
    }
    Ok(BodyPiece::Data(input.split().freeze()))
}

/// The chunked coding.
#[derive(Debug, Default)]
pub(super) struct Chunked {
    place: ChunkState,
    /// Of the current chunk.
    remaining: u64,
    /// Of all chunks, this one included.
    total: u64,
    extensions: usize,
    trailers: usize,
}

#[derive(Debug, Default, Clone, Copy)]
enum ChunkState {
    #[default]
    Size,
    Data,
    DataEnd,
    Trailers,
    End,
}

impl Chunked {
    fn poll(&mut self, input: &mut BytesMut, policy: &Policy) -> Result<BodyPiece, Refusal> {
        loop {
            match self.place {
                ChunkState::Size => {
                    let Some(len) = line(input, CHUNK_LINE, Refusal::BadChunk)? else {
                        return Ok(BodyPiece::NeedInput);
                    };
                    self.size_line(&input[..len], policy)?;
                    input.advance(len + 2);
                }
                ChunkState::Data if self.remaining == 0 => self.place = ChunkState::DataEnd,
                ChunkState::Data => return Ok(take(input, &mut self.remaining)),
                ChunkState::DataEnd => match input[..] {
                    [] | [b'\r'] => return Ok(BodyPiece::NeedInput),
                    [b'\r', b'\n', ..] => {
                        input.advance(2);
                        self.place = ChunkState::Size;
                    }
                    _ => return Err(Refusal::BadChunk),
                },
                ChunkState::Trailers => {
                    let Some(len) = line(
                        input,
                        policy.limit_request_field_size,
                        Refusal::FieldTooLarge,
                    )?
                    else {
                        return Ok(BodyPiece::NeedInput);
                    };
                    self.trailer_line(&input[..len], policy)?;
                    input.advance(len + 2);
                }
                ChunkState::End => return Ok(BodyPiece::End),
            }
        }
    }

    fn size_line(&mut self, line: &[u8], policy: &Policy) -> Result<(), Refusal> {
        let mut size: u64 = 0;
        let mut digits = 0;
        while let Some(digit) = line.get(digits).copied().and_then(hex_digit) {
            if digits == SIZE_DIGITS {
                return Err(Refusal::BadChunk);
            }
            size = size << 4 | u64::from(digit);
            digits += 1;
        }
        // No space before the end of the line: only extensions may have some around them.
        if digits == 0 || size > i64::MAX as u64 || !is_extension(&line[digits..]) {
            return Err(Refusal::BadChunk);
        }
        self.extensions += line.len() - digits;
        if self.extensions > EXTENSIONS {
            return Err(Refusal::BadChunk);
        }
        self.total = self.total.saturating_add(size);
        if policy
            .limit_request_body
            .is_some_and(|limit| self.total > limit)
        {
            return Err(Refusal::BodyTooLarge);
        }
        self.remaining = size;
        self.place = if size == 0 {
            ChunkState::Trailers
        } else {
            ChunkState::Data
        };
        Ok(())
    }

    fn trailer_line(&mut self, line: &[u8], policy: &Policy) -> Result<(), Refusal> {
        if line.is_empty() {
            self.place = ChunkState::End;
            return Ok(());
        }
        self.trailers += 1;
        if self.trailers > policy.limit_request_fields {
            return Err(Refusal::TooManyFields);
        }
        let colon = memchr::memchr(b':', line).ok_or(Refusal::BadTrailer)?;
        let (name, value) = (&line[..colon], &line[colon + 1..]);
        if !is_token(name) || !is_field_text(value) || is_forbidden_trailer(name) {
            return Err(Refusal::BadTrailer);
        }
        Ok(())
    }
}

/// Fields that would have changed how the message was read, had they come in time (RFC 9110 §6.5.1).
pub fn is_forbidden_trailer(name: &[u8]) -> bool {
    const FORBIDDEN: [&[u8]; 7] = [
        b"content-length",
        b"transfer-encoding",
        b"host",
        b"trailer",
        b"authorization",
        b"te",
        b"connection",
    ];
    FORBIDDEN
        .iter()
        .any(|forbidden| name.eq_ignore_ascii_case(forbidden))
}

/// The length of the line that begins the input, without its CRLF; `None` until it is complete.
fn line(input: &[u8], limit: usize, too_long: Refusal) -> Result<Option<usize>, Refusal> {
    let within = &input[..input.len().min(limit.saturating_add(2))];
    match memchr::memchr(b'\n', within) {
        Some(0) => Err(Refusal::BareLineFeed),
        Some(end) if within[end - 1] != b'\r' => Err(Refusal::BareLineFeed),
        Some(end) => Ok(Some(end - 1)),
        None if within.len() == limit.saturating_add(2) => Err(too_long),
        None => Ok(None),
    }
}

/// `*( BWS ";" BWS token [ BWS "=" BWS ( token / quoted-string ) ] )`: bad whitespace has to be understood (RFC 9110 §5.6.3).
fn is_extension(mut rest: &[u8]) -> bool {
    while let [b';', after @ ..] = trim_start(rest) {
        let Some(after_name) = skip_token(trim_start(after)) else {
            return false;
        };
        rest = after_name;
        if let [b'=', value @ ..] = trim_start(rest) {
            let value = trim_start(value);
            let after_value = if value.first() == Some(&b'"') {
                skip_quoted(value)
            } else {
                skip_token(value)
            };
            let Some(after_value) = after_value else {
                return false;
            };
            rest = after_value;
        }
    }
    rest.is_empty()
}

fn trim_start(bytes: &[u8]) -> &[u8] {
    let spaces = bytes
        .iter()
        .take_while(|byte| matches!(byte, b' ' | b'\t'))
        .count();
    &bytes[spaces..]
}

fn skip_token(bytes: &[u8]) -> Option<&[u8]> {
    let len = bytes
        .iter()
        .take_while(|&&byte| is_token_byte(byte))
        .count();
    (len > 0).then(|| &bytes[len..])
}

fn skip_quoted(bytes: &[u8]) -> Option<&[u8]> {
    let mut index = 1;
    loop {
        match bytes.get(index)? {
            b'"' => return Some(&bytes[index + 1..]),
            b'\\' => index += 1,
            _ => {}
        }
        if !is_field_text(bytes.get(index..=index)?) {
            return None;
        }
        index += 1;
    }
}
