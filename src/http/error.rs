//! Errors of an app's response.

use std::fmt;

/// Every variant is to be raised in the app; no byte of the rejected message was written.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ResponseError {
    /// Outside 100..=999.
    InvalidStatus(u16),
    /// 1xx is not a final status: use `informational`, or `switch_protocols` for 101.
    InformationalStatus(u16),
    /// The reason phrase has control characters.
    InvalidReason,
    /// Not a token (RFC 9110 §5.1), or a pseudo header.
    InvalidName(Box<[u8]>),
    /// A control character in the value of the named field.
    InvalidValue(Box<[u8]>),
    /// Not digits only, too large, or two that differ.
    InvalidContentLength(Box<[u8]>),
    /// A stream of HTTP/2 has no room for so many.
    TooManyFields,
    /// A field that frames or routes cannot be a trailer (RFC 9110 §6.5.1).
    ForbiddenTrailer(Box<[u8]>),
    /// No request waits for a response.
    NoRequest,
    /// A second head.
    AlreadyStarted,
    /// A body before the head.
    NotStarted,
    /// Something after the end of the response.
    AlreadyComplete,
    /// The final head was sent: no interim response, no reset.
    HeadSent,
    /// More bytes than declared; see `Transmit::excess`.
    TooLong { excess: u64 },
    /// The body ended before the declared length. The connection must be closed, unless nothing was sent
    /// (`ResponseState::HeadPending`): then the response can be reset.
    TooShort { missing: u64 },
    /// The request asked for no upgrade.
    NoUpgrade,
    /// The connection was given up.
    Aborted,
}

impl fmt::Display for ResponseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ResponseError::InvalidStatus(status) => write!(f, "invalid response status {status}"),
            ResponseError::InformationalStatus(status) => {
                write!(f, "{status} is not the status of a final response")
            }
            ResponseError::InvalidReason => f.write_str("invalid reason phrase"),
            ResponseError::InvalidName(name) => {
                write!(f, "invalid header name \"{}\"", name.escape_ascii())
            }
            ResponseError::InvalidValue(name) => {
                write!(f, "invalid value of header \"{}\"", name.escape_ascii())
            }
            ResponseError::InvalidContentLength(value) => {
                write!(f, "invalid content-length \"{}\"", value.escape_ascii())
            }
            ResponseError::TooManyFields => f.write_str("too many header fields for HTTP/2"),
            ResponseError::ForbiddenTrailer(name) => {
                write!(f, "\"{}\" cannot be a trailer", name.escape_ascii())
            }
            ResponseError::NoRequest => f.write_str("no request to answer"),
            ResponseError::AlreadyStarted => f.write_str("response already started"),
            ResponseError::NotStarted => f.write_str("response not started"),
            ResponseError::AlreadyComplete => f.write_str("response already complete"),
            ResponseError::HeadSent => f.write_str("response head already sent"),
            ResponseError::TooLong { excess } => {
                write!(
                    f,
                    "response body longer than content-length by {excess} bytes"
                )
            }
            ResponseError::TooShort { missing } => {
                write!(
                    f,
                    "response body shorter than content-length by {missing} bytes"
                )
            }
            ResponseError::NoUpgrade => f.write_str("the request asked for no upgrade"),
            ResponseError::Aborted => f.write_str("connection given up"),
        }
    }
}

impl std::error::Error for ResponseError {}
