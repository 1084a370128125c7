//! Why a request is not served, and with which status. The response is written by `Connection::refuse`.

/// Every reason for a response of our own. `reason()` is for the log, `status()` for the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Refusal {
    // 400, the request line
    BadRequestLine,
    BadMethod,
    BadTarget,
    // 400, the fields
    BareLineFeed,
    BadField,
    UnderscoreInName,
    /// Given by the owner: the schemes in trusted fields contradict each other.
    SchemesDisagree,
    HostMissing,
    HostRepeated,
    HostInvalid,
    /// Given by the owner: the client sends plain HTTP where TLS is expected.
    PlainHttp,
    // 400, framing
    BadContentLength,
    LengthAndEncoding,
    BadTransferEncoding,
    EncodingInHttp10,
    BadChunk,
    BadTrailer,
    TruncatedHead,
    TruncatedBody,
    /// 408, given by the owner's timers while the head is incomplete.
    HeadTimeout,
    /// 408, given by the owner's timers while the app waits for the body.
    BodyTimeout,
    /// 413
    BodyTooLarge,
    /// 414
    RequestLineTooLong,
    /// 417
    UnknownExpectation,
    /// 400: the key of a WebSocket handshake is missing, repeated or malformed.
    BadWebSocketKey,
    /// 426, with the supported version.
    WebSocketVersion,
    /// 431
    FieldTooLarge,
    /// 431
    TooManyFields,
    /// 500: the app failed before anything was sent.
    AppFailed,
    /// 501
    UnknownTransferCoding,
    /// 501
    ConnectUnsupported,
    /// 501: longer than any known method (RFC 9112 §3).
    MethodTooLong,
    /// 503, with Retry-After.
    Overloaded,
    /// 503: it has waited too long for the app.
    Queued {
        /// Seconds for Retry-After.
        retry_after: u16,
    },
    /// 504: the app has not responded in time.
    AppTimeout,
    /// 505
    UnsupportedVersion,
    /// 507: the body cannot be stored until the app reads it.
    DiskFull,
}

impl Refusal {
    /// The status of the response.
    pub const fn status(self) -> u16 {
        match self {
            Refusal::BadRequestLine
            | Refusal::BadMethod
            | Refusal::BadTarget
            | Refusal::BareLineFeed
            | Refusal::BadField
            | Refusal::UnderscoreInName
            | Refusal::SchemesDisagree
            | Refusal::HostMissing
            | Refusal::HostRepeated
            | Refusal::HostInvalid
            | Refusal::PlainHttp
            | Refusal::BadContentLength
            | Refusal::LengthAndEncoding
            | Refusal::BadTransferEncoding
            | Refusal::EncodingInHttp10
            | Refusal::BadChunk
            | Refusal::BadTrailer
            | Refusal::TruncatedHead
            | Refusal::TruncatedBody
            | Refusal::BadWebSocketKey => 400,
            Refusal::HeadTimeout | Refusal::BodyTimeout => 408,
            Refusal::BodyTooLarge => 413,
            Refusal::RequestLineTooLong => 414,
            Refusal::UnknownExpectation => 417,
            Refusal::WebSocketVersion => 426,
            Refusal::FieldTooLarge | Refusal::TooManyFields => 431,
            Refusal::AppFailed => 500,
            Refusal::UnknownTransferCoding
            | Refusal::ConnectUnsupported
            | Refusal::MethodTooLong => 501,
            Refusal::Overloaded | Refusal::Queued { .. } => 503,
            Refusal::AppTimeout => 504,
            Refusal::UnsupportedVersion => 505,
            Refusal::DiskFull => 507,
        }
    }

    /// Seconds until a retry is reasonable.
    pub const fn retry_after(self) -> Option<u16> {
        match self {
            Refusal::Overloaded => Some(1),
            Refusal::Queued { retry_after } => Some(retry_after),
            _ => None,
        }
    }

    /// Constant, lower case, without anything that the client sent.
    pub const fn reason(self) -> &'static str {
        match self {
            Refusal::BadRequestLine => "malformed request line",
            Refusal::BadMethod => "invalid method",
            Refusal::BadTarget => "invalid request target",
            Refusal::BareLineFeed => "line not ended by crlf",
            Refusal::BadField => "malformed header field",
            Refusal::UnderscoreInName => "underscore in header name",
            Refusal::SchemesDisagree => "scheme headers disagree",
            Refusal::HostMissing => "no host header",
            Refusal::HostRepeated => "more than one host header",
            Refusal::HostInvalid => "invalid host header",
            Refusal::PlainHttp => "plain http sent to a port that speaks https",
            Refusal::BadContentLength => "invalid content-length",
            Refusal::LengthAndEncoding => "both content-length and transfer-encoding",
            Refusal::BadTransferEncoding => "invalid transfer-encoding",
            Refusal::EncodingInHttp10 => "transfer-encoding in http/1.0",
            Refusal::BadChunk => "malformed chunk",
            Refusal::BadTrailer => "malformed trailer field",
            Refusal::TruncatedHead => "connection ended inside the request head",
            Refusal::TruncatedBody => "connection ended inside the request body",
            Refusal::HeadTimeout => "request head took too long",
            Refusal::BodyTimeout => "request body took too long",
            Refusal::BodyTooLarge => "request body too large",
            Refusal::RequestLineTooLong => "request line too long",
            Refusal::UnknownExpectation => "unknown expectation",
            Refusal::BadWebSocketKey => "invalid sec-websocket-key",
            Refusal::WebSocketVersion => "websocket version not supported",
            Refusal::FieldTooLarge => "header field too large",
            Refusal::TooManyFields => "too many header fields",
            Refusal::AppFailed => "application failed",
            Refusal::AppTimeout => "application took too long",
            Refusal::UnknownTransferCoding => "transfer coding not implemented",
            Refusal::ConnectUnsupported => "connect is not supported",
            Refusal::MethodTooLong => "method not implemented",
            Refusal::Overloaded => "too many requests in flight",
            Refusal::Queued { .. } => "all workers are busy",
            Refusal::UnsupportedVersion => "http version not supported",
            Refusal::DiskFull => "no space for the request body",
        }
    }
}
