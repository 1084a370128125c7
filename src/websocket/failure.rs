//! Why a connection fails (RFC 6455 §7.1.7), and its close code.

/// The peer's error; the connection is closed with `code()`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WebSocketFailure {
    /// 1002
    Protocol(&'static str),
    /// 1007: text, or a reason, that is not UTF-8.
    NotUtf8,
    /// 1007: compressed data that does not inflate.
    NotDeflate,
    /// 1009
    TooBig,
}

impl WebSocketFailure {
    pub const fn code(self) -> u16 {
        match self {
            WebSocketFailure::Protocol(_) => 1002,
            WebSocketFailure::NotUtf8 | WebSocketFailure::NotDeflate => 1007,
            WebSocketFailure::TooBig => 1009,
        }
    }

    /// Constant, short enough for a close frame.
    pub const fn reason(self) -> &'static str {
        match self {
            WebSocketFailure::Protocol(reason) => reason,
            WebSocketFailure::NotUtf8 => "text is not utf-8",
            WebSocketFailure::NotDeflate => "invalid compressed data",
            WebSocketFailure::TooBig => "message too big",
        }
    }
}
