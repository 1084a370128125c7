//! The response side of a connection: state, framing, serialisation. Of the request it has only what the
//! response depends on.

use super::chars::{push_decimal, push_hex};
use super::error::ResponseError;
use super::event::{BodyEnd, RawTransmit, ResponseState, Transmit};
use super::head::{Method, RequestHead, Upgrade, Version};

/// Up to this size a body is copied behind the head: one `write` of one piece is cheaper than a `writev`.
const COPY_UP_TO: usize = 2048;

/// Fields of a response over HTTP/2: `HeaderMap` has room for 24,576 names.
const MOST_FIELDS: usize = 16_384;

/// The parts of the request that the response depends on.
#[derive(Debug, Clone, Copy)]
pub(super) struct RequestProperties {
    pub version: Version,
    pub is_head: bool,
    pub te_trailers: bool,
    pub upgrade: Upgrade,
    /// Whether the connection may stay open, as far as is known before the head is finished.
    pub keep_alive: bool,
}

impl RequestProperties {
    /// Before a head was read: for the response to a refused one.
    pub const UNREAD: RequestProperties = RequestProperties {
        version: Version::Http11,
        is_head: false,
        te_trailers: false,
        upgrade: Upgrade::None,
        keep_alive: false,
    };

    pub fn of(head: &RequestHead) -> RequestProperties {
        RequestProperties {
            version: head.version(),
            is_head: head.known_method() == Method::Head,
            te_trailers: head.te_trailers(),
            upgrade: head.upgrade(),
            keep_alive: head.keep_alive(),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Framing {
    /// Not chosen: the head is pending.
    Undecided,
    /// The app's body is not sent: HEAD, 204, 205, 304.
    Nothing,
    Length {
        remaining: u64,
    },
    Chunked,
    /// The end of the connection, or of the stream, is the end of the body.
    Close,
}

/// One response at a time.
#[derive(Debug)]
pub(super) struct Responder {
    /// Serialised bytes that were not returned yet, or were returned by the last call (`taken`).
    pub out: Vec<u8>,
    taken: bool,
    pub state: ResponseState,
    pub exchange: RequestProperties,
    pub status: u16,
    /// The app's Content-Length.
    pub declared: Option<u64>,
    framing: Framing,
    trailers_due: bool,
    pub body_len: u64,
    pub tag: Tag,
}

/// Fields that every response to this request has; empty: none.
#[derive(Debug, Default)]
pub(super) struct Tag {
    name_len: u32,
    /// Length of the first field, unless all are sent beside the app's.
    replaceable: u32,
    /// `name: value\r\n`, once for each.
    pub lines: Vec<u8>,
}

impl Tag {
    /// What is there is one field, whose name has that length, and one of the app's replaces it.
    pub fn set_replaceable(&mut self, name: usize) {
        let count = |length| u32::try_from(length).unwrap_or(0);
        (self.name_len, self.replaceable) = (count(name), count(self.lines.len()));
    }

    pub fn clear(&mut self) {
        self.lines.clear();
        (self.name_len, self.replaceable) = (0, 0);
    }

    /// `is_replaced`: the app has sent the first one.
    pub fn sent(&self, is_replaced: bool) -> &[u8] {
        let from = if is_replaced { self.replaceable } else { 0 };
        self.lines.get(from as usize..).unwrap_or_default()
    }

    /// Whether a field of the app's replaces the first one.
    pub fn is_named(&self, name: &[u8]) -> bool {
        let length = self.name_len as usize;
        length > 0
            && name.len() == length
            && (self.lines.get(..length)).is_some_and(|own| name.eq_ignore_ascii_case(own))
    }
}

impl Responder {
    pub fn new() -> Self {
        Responder {
            out: Vec::new(),
            taken: false,
            state: ResponseState::NotStarted,
            exchange: RequestProperties::UNREAD,
            status: 0,
            declared: None,
            framing: Framing::Undecided,
            trailers_due: false,
            body_len: 0,
            tag: Tag::default(),
        }
    }

    pub fn is_close_delimited(&self) -> bool {
        matches!(self.framing, Framing::Close) || self.exchange.version == Version::Http2
    }

    /// A new request: resets the state of the last response.
    pub fn begin_exchange(&mut self, exchange: RequestProperties) {
        self.exchange = exchange;
        self.tag.clear();
        self.state = ResponseState::NotStarted;
        self.status = 0;
        self.body_len = 0;
    }

    /// Between requests; status and length stay for the log.
    pub fn end_exchange(&mut self) {
        self.exchange = RequestProperties::UNREAD;
        self.tag.clear();
        self.state = ResponseState::NotStarted;
    }

    /// Empties `out` for what comes next, and resets the state of the head.
    pub fn clear_head(&mut self) {
        self.clear_taken();
        self.out.clear();
        self.declared = None;
        self.framing = Framing::Undecided;
        self.trailers_due = false;
        self.status = 0;
        self.body_len = 0;
        self.state = ResponseState::NotStarted;
    }

    pub fn clear_taken(&mut self) {
        if self.taken {
            self.out.clear();
            self.taken = false;
        }
    }

    /// Everything in `out`; it is cleared at the next call.
    pub fn take_out(&mut self) -> &[u8] {
        self.taken = true;
        &self.out
    }

    /// An error where a head was begun already.
    pub fn check_not_started(&self) -> Result<(), ResponseError> {
        match self.state {
            ResponseState::NotStarted => Ok(()),
            ResponseState::HeadPending | ResponseState::Streaming => {
                Err(ResponseError::AlreadyStarted)
            }
            ResponseState::Complete => Err(ResponseError::AlreadyComplete),
            ResponseState::Aborted => Err(ResponseError::Aborted),
        }
    }

    /// Whether the response may have so many fields.
    pub fn check_count(&self, fields: usize) -> Result<(), ResponseError> {
        if self.exchange.version == Version::Http2 && fields > MOST_FIELDS {
            return Err(ResponseError::TooManyFields);
        }
        Ok(())
    }

    /// Whether a final body piece can come.
    pub fn check_body(&self) -> Result<(), ResponseError> {
        match self.state {
            ResponseState::HeadPending => Ok(()),
            ResponseState::Streaming if self.trailers_due => Err(ResponseError::AlreadyComplete),
            ResponseState::Streaming => Ok(()),
            ResponseState::NotStarted => Err(ResponseError::NotStarted),
            ResponseState::Complete => Err(ResponseError::AlreadyComplete),
            ResponseState::Aborted => Err(ResponseError::Aborted),
        }
    }

    pub fn body<'a>(
        &'a mut self,
        data: &'a [u8],
        end: BodyEnd,
    ) -> Result<Transmit<'a>, ResponseError> {
        let piece = self.piece(data.len() as u64, end)?;
        let data = &data[..usize::try_from(piece.allowed).expect("no more than was given")];
        let mut transmit = Transmit {
            head: &[],
            data,
            tail: piece.tail.bytes(),
            excess: piece.excess,
        };
        if !self.out.is_empty() && data.len() <= COPY_UP_TO {
            self.out.extend_from_slice(data);
            self.out.extend_from_slice(transmit.tail);
            (transmit.data, transmit.tail) = (&[], &[]);
        }
        transmit.head = self.take_out();
        Ok(transmit)
    }

    pub fn raw_body(&mut self, len: u64, end: BodyEnd) -> Result<RawTransmit<'_>, ResponseError> {
        let piece = self.piece(len, end)?;
        let suffix = piece.tail.bytes();
        Ok(RawTransmit {
            prefix: self.take_out(),
            len: piece.allowed,
            suffix,
            excess: piece.excess,
        })
    }

    /// The last chunk with the lines that the caller left in `out`; nothing if they are not to be sent.
    pub fn end_with_trailers(&mut self) -> Transmit<'_> {
        if !self.takes_trailers() && self.framing != Framing::Chunked {
            self.out.clear();
        }
        self.state = ResponseState::Complete;
        Transmit {
            head: self.take_out(),
            data: &[],
            tail: b"",
            excess: 0,
        }
    }

    /// Whether trailers would be sent.
    pub fn takes_trailers(&self) -> bool {
        let has_place = match self.exchange.version {
            // A stream has one behind any content.
            Version::Http2 => self.framing != Framing::Nothing,
            Version::Http10 | Version::Http11 => self.framing == Framing::Chunked,
        };
        has_place && self.exchange.te_trailers
    }

    /// Whether trailers may follow where the declared length ends.
    pub fn may_end_with_trailers(&self) -> bool {
        self.exchange.version == Version::Http2 && self.exchange.te_trailers
    }

    pub fn trailers_due(&self) -> bool {
        self.trailers_due && self.state == ResponseState::Streaming
    }

    /// Accounts for `len` bytes: chooses the framing and finishes the head if it is pending, writes the
    /// chunk-size line, moves the state.
    fn piece(&mut self, len: u64, end: BodyEnd) -> Result<CheckedPiece, ResponseError> {
        self.check_body()?;
        self.clear_taken();
        let framing = match self.framing {
            Framing::Undecided => self.choose_framing(len, end),
            framing => framing,
        };
        let (allowed, next) = match framing {
            Framing::Nothing => (0, framing),
            Framing::Length { remaining } => {
                let allowed = len.min(remaining);
                let missing = remaining - allowed;
                if missing > 0 && end != BodyEnd::More {
                    if self.state == ResponseState::Streaming {
                        self.state = ResponseState::Aborted;
                    }
                    return Err(ResponseError::TooShort { missing });
                }
                (allowed, Framing::Length { remaining: missing })
            }
            Framing::Undecided | Framing::Chunked | Framing::Close => (len, framing),
        };
        let excess = if framing == Framing::Nothing {
            0
        } else {
            len - allowed
        };
        self.framing = next;
        let mut piece = CheckedPiece {
            allowed,
            excess,
            tail: Tail::Nothing,
        };
        if self.state == ResponseState::HeadPending {
            self.finish_head(framing, len, end);
        }
        if framing == Framing::Chunked {
            piece.tail = match (len, end) {
                (0, BodyEnd::Last) => Tail::LastChunk,
                (_, BodyEnd::Last) => Tail::ChunkEndAndLast,
                (0, BodyEnd::More | BodyEnd::Trailers) => Tail::Nothing,
                (_, BodyEnd::More | BodyEnd::Trailers) => Tail::ChunkEnd,
            };
            if len > 0 {
                push_hex(&mut self.out, len);
                self.out.extend_from_slice(b"\r\n");
            }
        }
        self.body_len += piece.allowed;
        self.trailers_due = end == BodyEnd::Trailers;
        // Only the end can have been cut off.
        let complete = end == BodyEnd::Last || (piece.excess > 0 && end == BodyEnd::More);
        self.state = if complete {
            ResponseState::Complete
        } else {
            ResponseState::Streaming
        };
        Ok(piece)
    }

    /// RFC 9112 §6.3; decided with the first piece, so that a complete body gets its length.
    fn choose_framing(&self, len: u64, end: BodyEnd) -> Framing {
        if self.exchange.is_head || has_no_content(self.status) {
            return Framing::Nothing;
        }
        if let Some(remaining) = self.declared {
            return Framing::Length { remaining };
        }
        let whole = match end {
            BodyEnd::Last => true,
            BodyEnd::Trailers => !self.exchange.te_trailers,
            BodyEnd::More => false,
        };
        match self.exchange.version {
            _ if whole => Framing::Length { remaining: len },
            Version::Http11 => Framing::Chunked,
            Version::Http10 | Version::Http2 => Framing::Close,
        }
    }

    /// Adds the fields that are ours and the empty line.
    fn finish_head(&mut self, framing: Framing, len: u64, end: BodyEnd) {
        match framing {
            Framing::Length { remaining } if self.declared.is_none() => {
                self.content_length(remaining)
            }
            // An app that sends the body with HEAD shows the length that GET would have; an empty one shows nothing.
            Framing::Nothing if self.exchange.is_head && !has_no_content(self.status) => {
                if self.declared.is_none() && end == BodyEnd::Last && len > 0 {
                    self.content_length(len);
                }
            }
            // RFC 9110 §15.3.6: a 205 has a body, and it is empty.
            Framing::Nothing if self.status == 205 => self.content_length(0),
            Framing::Chunked => self
                .out
                .extend_from_slice(b"transfer-encoding: chunked\r\n"),
            Framing::Close => self.exchange.keep_alive = false,
            Framing::Nothing | Framing::Length { .. } | Framing::Undecided => {}
        }
        self.connection_field();
        self.out.extend_from_slice(b"\r\n");
    }

    fn content_length(&mut self, len: u64) {
        self.out.extend_from_slice(b"content-length: ");
        push_decimal(&mut self.out, len);
        self.out.extend_from_slice(b"\r\n");
    }

    fn connection_field(&mut self) {
        let field: &[u8] = match (self.exchange.keep_alive, self.exchange.version, self.status) {
            // RFC 9110 §15.5.22 and §7.8: a 426 names the protocol in Upgrade, which has to be listed here.
            (true, Version::Http11, 426) => b"connection: upgrade\r\n",
            (false, Version::Http11, 426) => b"connection: close, upgrade\r\n",
            (true, Version::Http11, _) => return,
            (true, Version::Http10, _) => b"connection: keep-alive\r\n",
            // RFC 9113 §8.2.2: HTTP/2 has no such field.
            (_, Version::Http2, _) => return,
            (false, ..) => b"connection: close\r\n",
        };
        self.out.extend_from_slice(field);
    }
}

/// 1xx, 204 and 304 have no body (RFC 9110 §6.4.1), 205 must not have content.
pub(super) const fn has_no_content(status: u16) -> bool {
    matches!(status, 100..=199 | 204 | 205 | 304)
}

struct CheckedPiece {
    allowed: u64,
    excess: u64,
    tail: Tail,
}

#[derive(Clone, Copy)]
enum Tail {
    Nothing,
    ChunkEnd,
    ChunkEndAndLast,
    LastChunk,
}

impl Tail {
    const fn bytes(self) -> &'static [u8] {
        match self {
            Tail::Nothing => b"",
            Tail::ChunkEnd => b"\r\n",
            Tail::ChunkEndAndLast => b"\r\n0\r\n\r\n",
            Tail::LastChunk => b"0\r\n\r\n",
        }
    }
}
