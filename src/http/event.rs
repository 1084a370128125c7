//! The events of a connection, and the bytes that its owner is to write. Plain data.

use bytes::Bytes;

use super::head::RequestHead;
use super::refusal::Refusal;

/// The next thing that happened on the request side.
#[derive(Debug)]
pub enum HttpEvent {
    /// Read more bytes (or call `input_ended`), then poll again.
    NeedInput,
    /// A complete and accepted head. When `has_body()` is false neither `Body` nor `EndOfBody` follows.
    Request(RequestHead),
    /// The next piece of the body, de-chunked, never empty.
    Body(Bytes),
    /// The body is complete. Trailers were checked and discarded: they never become headers.
    EndOfBody,
    /// The request is complete and its response is not. Pipelined bytes stay buffered.
    Paused,
    /// The request must not reach the app (or, in the middle of a body, not be taken for complete).
    /// Reported once; answer with `Connection::refuse`, then close with a linger.
    Refused(Refusal),
    /// Nothing more will come and no response is due: close, with a linger when bytes may be unread.
    Closed,
}

/// Whether more of the response body follows a piece.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BodyEnd {
    More,
    Last,
    /// The body ends here and `Connection::trailers` follows.
    Trailers,
}

/// Up to three pieces for one `writev`, in this order; any may be empty. A short body is copied into `head`,
/// so that a typical response is one plain `write`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Transmit<'a> {
    /// Serialised bytes: the pending head, the chunk-size line.
    pub head: &'a [u8],
    /// The part of the caller's data that may be sent.
    pub data: &'a [u8],
    /// The end of a chunk, the last chunk.
    pub tail: &'static [u8],
    /// Bytes beyond the declared Content-Length that were cut off. Above zero: write the pieces, then
    /// raise `ResponseError::TooLong` in the app. The connection stays usable, the response is complete.
    pub excess: u64,
}

impl Transmit<'_> {
    pub fn len(&self) -> usize {
        self.head.len() + self.data.len() + self.tail.len()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Around bytes that the owner sends by itself (sendfile): write `prefix`, send exactly `len` bytes, write `suffix`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RawTransmit<'a> {
    pub prefix: &'a [u8],
    /// How many of the announced bytes are to be sent: fewer than asked when the Content-Length cuts,
    /// zero for HEAD, 204 and 304.
    pub len: u64,
    pub suffix: &'static [u8],
    /// As in [`Transmit`].
    pub excess: u64,
}

/// The state of the current request's response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ResponseState {
    /// No head yet (also between requests).
    NotStarted,
    /// A head was given and nothing was sent: `reset_response` still works.
    HeadPending,
    /// The head was returned to be written.
    Streaming,
    /// The last byte was returned.
    Complete,
    /// It can never be completed; the connection has to be closed.
    Aborted,
}
